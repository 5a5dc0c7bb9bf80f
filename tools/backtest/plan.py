"""What a backtest is asked to do, made of its options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash
from pydantic import ValidationError

from tidecast.models.deep_expert import DeepExpert
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.fans import fans_origin
from tidecast.models.evaluate.where import EVERYTHING, ScoreWhere
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import BinGrid, iso
from tidecast.state.covariate_file import read_covariates
from tidecast.state.covariates import CovariateTable, Kind
from tidecast.state.errors import LogError, SettingsError
from tidecast.state.settings import Settings
from tidecast.state.settings.events import RegionsSettings
from tidecast.state.settings.root import ForecastSettings, ShopSettings
from tidecast.streams.backtest.columns import find_columns
from tidecast.streams.backtest.files import open_table, texts_of
from tidecast.streams.backtest.known import read_known
from tidecast.streams.backtest.places import read_places, read_region_holidays
from tidecast.streams.backtest.sources import LogSlabs, Slabs, TableSlabs
from tidecast.streams.backtest.table import Absent, Aggregate, read_table
from tidecast.streams.backtest.times import parse_frequency
from tidecast.streams.logs import LogSpec
from tidecast.tools.backtest.notes import note_of_time, notes_of_dates, notes_of_table
from tidecast.tools.backtest.peers import PeersPlan
from tidecast.tools.backtest.shut_days import note_of_shut_days

__all__ = ["LEVELS", "Asked", "Plan", "plan_logs", "plan_table"]

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Quantile levels: close enough for CRPS, and those of the intervals of 80 and 90 %."""

KINDS: dict[Kind, str] = {"known": "known ahead", "past": "past", "static": "static"}

LEARNT_ONLY = 0.1
"""Share of the bins that is not scored, unless it is said how many are."""

FEWEST_BINS = 2
"""One to know, and one to score."""


@dataclass(frozen=True)
class Asked:
    """The options of the command, as given; None = not given."""

    horizon: int | None = None
    seasons: tuple[int, ...] = ()
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    leave_one_out: bool = False
    leave_out: tuple[str, ...] = ()
    score_last: int | None = None
    score_where: str | None = None
    freq: str | None = None
    timezone: str | None = None
    time: str | None = None
    region: str | None = None
    category: str | None = None
    value: tuple[str, ...] = ()
    censored: str | None = None
    weight: str | None = None
    aggregate: Aggregate = "sum"
    absent: Absent = "auto"
    regions: Path | None = None
    holidays: str | None = None
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    peers: bool = False
    peer_cells: int = 20
    peer_seconds: float = 600.0
    peer_seed: int = 0
    deep: Path | None = None

    @property
    def covariates(self) -> dict[str, Kind]:
        """Columns that are covariates, and of which kind."""
        named: tuple[tuple[Kind, tuple[str, ...]], ...]
        named = ("known", self.future), ("past", self.past), ("static", self.static)
        return {name: kind for kind, names in named for name in names}


@dataclass(frozen=True)
class Plan:
    """Slabs to step through, by which profile, and what of it is scored; ``notes`` are told.

    ``peers`` is None where none are asked for. The blend is scored without each of ``left_out``,
    too. ``known`` are covariates. ``models`` is a hash of the deep models that take part.
    """

    slabs: Slabs
    profile: ForecastProfile
    span: Span
    notes: tuple[str, ...]
    peers: PeersPlan | None = None
    left_out: tuple[str, ...] = ()
    known: CovariateTable = field(default_factory=CovariateTable)
    models: str = ""

    def fingerprint(self) -> str:
        """Return a hash of all that the figures depend on, versions of programs apart."""
        profile = self.profile
        meaning = (
            self.slabs.fingerprint(),
            *(profile.series, profile.grid.width, str(profile.grid.zone), profile.horizon),
            *(profile.quantile_levels, profile.season_lengths, profile.experts, profile.reach),
            *(profile.holidays, profile.region_holidays, self.known.fingerprint()),
            *(self.span, self.peers, self.left_out, self.models),
        )
        return xxhash.xxh3_128_hexdigest(repr(meaning).encode())

    def describe(self) -> dict[str, Any]:
        """Return what was run, for a file of figures."""
        grid, slabs = self.profile.grid, self.slabs
        return {
            "first": iso(grid.start(slabs.first_bin)),
            "last": iso(grid.end(slabs.last_bin)),
            "scored_from": iso(grid.start(self.span.first_bin)),
            "horizon": self.profile.horizon,
            "quantile_levels": list(self.profile.quantile_levels),
            "season_lengths": list(self.profile.season_lengths),
        }


def plan_table(path: Path, asked: Asked) -> Plan:
    """Return the plan for a long table.

    Raises
    ------
    LogError
        When the table cannot be read, or its columns are not known.
    SettingsError
        When an option makes no sense.
    """
    frame = open_table(path)
    columns = find_columns(
        frame.collect_schema(),
        *(asked.time, asked.region, asked.category, asked.value, asked.censored),
        covariates=(*asked.future, *asked.past, *asked.static),
        weight=_weight_of_means(asked),
        of_means=asked.aggregate == "mean",
    )
    zone = asked.timezone or "UTC"
    shop = _checked(ShopSettings, time_zone=zone, holidays=asked.holidays)
    grid = BinGrid(parse_frequency(asked.freq or ""), zone)
    table = read_table(frame, columns, grid, asked.aggregate, asked.absent)
    places = read_places(asked.regions) if asked.regions else {}
    kept = read_region_holidays(asked.regions) if asked.regions else {}
    regions = _checked(RegionsSettings, holidays=kept)
    plain = ForecastProfile(
        series=columns.values,
        grid=grid,
        horizon=24,
        quantile_levels=LEVELS,
        season_lengths=grid.season_lengths(),
        holidays=shop.holidays,
        ratios=tuple(range(len(columns.values))) if asked.aggregate == "mean" else (),
        region_holidays=tuple(regions.holidays.items()),
        past=asked.past,
        static=asked.static,
    )
    slabs = TableSlabs(table, places)
    told = f"columns: {columns.describe()}"
    told += "".join(f"; {KINDS[kind]}: {name}" for name, kind in asked.covariates.items())
    guessed = () if shop.holidays or kept else note_of_shut_days(table)
    dates = notes_of_dates(texts_of(path, columns.time))
    notes = (told, *dates, *notes_of_table(table, places), *guessed)
    known = read_known(frame, columns, asked.covariates, grid)
    return replace(_plan(slabs, plain, asked, notes), known=known)


def _weight_of_means(asked: Asked) -> str | None:
    if asked.weight is not None and asked.aggregate != "mean":
        raise SettingsError("--weight tells how much a mean is of: give --aggregate mean, too")
    return asked.weight


def plan_logs(settings: Settings, logs: Sequence[LogSpec], asked: Asked) -> Plan:
    """Return the plan for event logs, read by ``settings``; raises as `plan_table`."""
    profile = ForecastProfile.of(settings)
    levels = tuple(sorted({*LEVELS, *profile.quantile_levels}))
    plan = _plan(LogSlabs(settings, logs), replace(profile, quantile_levels=levels), asked, ())
    return replace(plan, known=read_covariates(settings))


def _plan(slabs: Slabs, profile: ForecastProfile, asked: Asked, notes: Sequence[str]) -> Plan:
    """Return the plan of ``profile`` as far as nothing else is asked."""
    added = asked.with_ if asked.deep is None else (*asked.with_, DeepExpert.name)
    forecast = _checked(
        ForecastSettings,
        horizon=asked.horizon or profile.horizon,
        season_lengths=asked.seasons or profile.season_lengths,
        experts=_experts(profile.experts, added, asked.without),
    )
    profile = replace(
        profile,
        horizon=forecast.horizon,
        season_lengths=forecast.season_lengths,
        experts=forecast.experts,
    )
    span = _span(slabs, asked, profile.horizon)
    n_scored = slabs.last_bin + 1 - span.first_bin
    n_bins = slabs.last_bin + 1 - slabs.first_bin
    scored = f"{n_bins:,} bins, of which the last {n_scored:,} are scored"
    if asked.score_where:
        scored += f" where {asked.score_where}"
    peers = _peers(slabs, asked)
    notes = (*notes, note_of_time(slabs, profile.grid), scored)
    return Plan(slabs, profile, span, notes, peers, _left_out(profile.experts, asked))


def _span(slabs: Slabs, asked: Asked, horizon: int) -> Span:
    n_bins = slabs.last_bin + 1 - slabs.first_bin
    if n_bins < FEWEST_BINS:
        raise LogError(
            "all values lie in one bin, so no forecast of another can be scored: take more of the "
            "past, or shorter bins"
        )
    n_scored = asked.score_last or n_bins - math.ceil(LEARNT_ONLY * n_bins)
    where = ScoreWhere.parse(asked.score_where) if asked.score_where else EVERYTHING
    first = max(slabs.first_bin, slabs.last_bin + 1 - n_scored)
    fans = fans_origin(slabs.first_bin, slabs.last_bin, horizon)
    return Span(first, where, slabs.counts(), fans)


def _peers(slabs: Slabs, asked: Asked) -> PeersPlan | None:
    if not asked.peers:
        return None
    return PeersPlan.of(len(slabs.cells), asked.peer_cells, asked.peer_seed, asked.peer_seconds)


def _experts(usual: Sequence[str], added: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """Return the names of the usual experts and those added, but for those left out."""
    asked = list(dict.fromkeys((*usual, *added)))
    for name in left_out:
        if name not in asked:
            raise SettingsError(
                f"without {name!r}: there is no such expert; asked are {', '.join(asked)}"
            )
    return [name for name in asked if name not in left_out]


def _left_out(experts: Sequence[str], asked: Asked) -> tuple[str, ...]:
    """Return the experts without which the blend is scored, too, in the order of all."""
    named = experts if asked.leave_one_out else asked.leave_out
    if named and len(experts) < 2:
        raise SettingsError("--leave-one-out needs two experts or more: leave fewer out")
    others = _experts(experts, (), named)
    return tuple(name for name in experts if name not in others)


def _checked(model: type[Any], **values: Any) -> Any:
    """Return a table of settings of these values.

    Raises
    ------
    SettingsError
        When one is impossible.
    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        why = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name} = {first['input']!r}: {why}") from error
