"""The whole of the settings, and what its parts must agree on."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from tidecast.state.settings.base import DAY, Duration, Frozen
from tidecast.state.settings.deep import DeepSettings
from tidecast.state.settings.events import (
    CovariateSettings,
    HolidayCode,
    RegionsSettings,
    SeriesSettings,
    SourceSettings,
    StreamKind,
    ZoneName,
)
from tidecast.state.settings.experts import DEFAULT_EXPERTS, EXPERT_NAMES
from tidecast.state.settings.services import (
    CheckpointsSettings,
    ClickHouseSettings,
    KafkaSettings,
    MetricsSettings,
)

__all__ = ["BinsSettings", "ForecastSettings", "LimitsSettings", "Settings", "ShopSettings"]


class ShopSettings(Frozen):
    """The shop itself: the time zone of its days and hours, and the country of its holidays."""

    time_zone: ZoneName = "UTC"
    holidays: HolidayCode | None = None


class BinsSettings(Frozen):
    """Bins of event time: a fixed ``width`` that divides a day, or the shop's local "day"."""

    width: Literal["day"] | Duration = 3_600_000_000

    @field_validator("width")
    @classmethod
    def _divides_a_day(cls, width: int | str) -> int | str:
        if isinstance(width, int) and (width < 1_000_000 or DAY % width or width % 1_000_000):
            raise ValueError('width must be whole seconds that divide a day ("15m"), or "day"')
        return "day" if width == DAY else width


class ForecastSettings(Frozen):
    """What is forecast: ``horizon`` bins ahead, at these levels, with seasons in bins, by whom."""

    horizon: int = Field(default=12, ge=1, le=512)
    quantile_levels: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95)
    season_lengths: tuple[int, ...] = ()
    experts: tuple[str, ...] = DEFAULT_EXPERTS

    @field_validator("quantile_levels")
    @classmethod
    def _levels_sorted(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not levels or any(b <= a for a, b in pairwise((0.0, *levels, 1.0))):
            raise ValueError("quantile_levels must rise strictly between 0 and 1")
        if 0.5 not in levels:
            raise ValueError("quantile_levels must contain the median, 0.5")
        return levels

    @field_validator("season_lengths")
    @classmethod
    def _seasons_rise(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if any(b <= a for a, b in pairwise((1, *lengths))):
            raise ValueError("season_lengths are bins, rising, each above 1, such as [24, 168]")
        return lengths

    @field_validator("experts")
    @classmethod
    def _experts_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = ", ".join(EXPERT_NAMES)
        if not names:
            raise ValueError(f"name at least one of {known}")
        for name in names:
            if name not in EXPERT_NAMES:
                raise ValueError(f"{name!r} is unknown; use some of {known}")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} stands twice; name each expert once")
        return names


class LimitsSettings(Frozen):
    """What protects a worker from poisoned input."""

    max_cells: int = Field(default=10_000, ge=1)
    max_ahead: int = Field(default=48, ge=1)  # bins
    max_event_ids: int = Field(default=1_000_000, ge=1)  # of a partition
    record_bytes: int = Field(default=1_048_576, ge=64)
    not_before: AwareDatetime = datetime(2000, 1, 1, tzinfo=UTC)
    not_after: AwareDatetime = datetime(2100, 1, 1, tzinfo=UTC)

    @model_validator(mode="after")
    def _a_span(self) -> Self:
        if not self.not_before < self.not_after:
            raise ValueError("not_before must be earlier than not_after")
        if self.not_before.year < 1970 or self.not_after.year > 2105:
            raise ValueError("ClickHouse keeps times from 1970 to 2105: move the limit inside")
        return self


class Settings(Frozen):
    """Everything a run needs to know, read once at its entry point."""

    shop: ShopSettings = ShopSettings()
    bins: BinsSettings = BinsSettings()
    regions: RegionsSettings = RegionsSettings()
    sources: tuple[SourceSettings, ...] = Field(min_length=1)
    series: tuple[SeriesSettings, ...] = Field(min_length=1)
    covariates: tuple[CovariateSettings, ...] = ()
    forecast: ForecastSettings = ForecastSettings()
    deep: DeepSettings = DeepSettings()
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    checkpoints: CheckpointsSettings = CheckpointsSettings()
    limits: LimitsSettings = LimitsSettings()
    metrics: MetricsSettings = MetricsSettings()

    @model_validator(mode="after")
    def _names_unique(self) -> Self:
        for what, names in (
            ("sources", [s.name for s in self.sources]),
            ("sources", [s.topic for s in self.sources]),
            ("series", [s.name for s in self.series]),
            ("covariates", [c.name for c in self.covariates]),
            ("topics", [s.topic for s in self.sources] + [*self.covariate_topics]),
        ):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what}: {', '.join(sorted(twice))} stands twice; rename one")
        return self

    @model_validator(mode="after")
    def _series_have_sources(self) -> Self:
        streams = {source.stream for source in self.sources}
        by_name = {series.name: series for series in self.series}
        for series in self.series:
            marks = series.censored_by and series.censored_by.stream
            for stream in (series.stream, marks):
                if stream is not None and stream not in streams:
                    raise ValueError(
                        f"series {series.name!r} needs a source with stream = {str(stream)!r}"
                    )
            for part in (series.numerator, series.denominator):
                if part is not None and (
                    part not in by_name or by_name[part].aggregate not in ("count", "sum")
                ):
                    raise ValueError(
                        f"ratio {series.name!r}: {part!r} must name a series of count or sum"
                    )
        return self

    def sources_of(self, stream: StreamKind) -> tuple[SourceSettings, ...]:
        """Return the sources that carry ``stream``."""
        return tuple(source for source in self.sources if source.stream is stream)

    @property
    def covariate_topics(self) -> tuple[str, ...]:
        """The topics that tell covariates, sorted."""
        return tuple(sorted({of.topic for of in self.covariates if of.topic is not None}))

    def fingerprint(self) -> str:
        """Return a hash of the settings that give cuts and checkpoints their meaning.

        Where tables lie is not among them: they may move with their folder. Nor are
        ``idle_timeout`` and ``max_ahead``: no value depends on them, for idle partitions are
        recorded decisions.
        """
        meaning = self.model_dump(
            mode="json",
            include={"shop", "bins", "regions", "sources", "series", "forecast", "limits"},
        )
        if self.covariates:
            meaning["covariates"] = [
                [of.name, of.kind, of.absent, of.topic, of.by] for of in self.covariates
            ]
        meaning["regions"].pop("table")
        meaning["limits"].pop("max_ahead")
        if self.shop.holidays is None:
            meaning["shop"].pop("holidays")
        for series in meaning["series"]:
            if series["censored_by"] is None:
                series.pop("censored_by")
        if not self.regions.holidays:
            meaning["regions"].pop("holidays")
        for source in meaning["sources"]:
            source.pop("idle_timeout")
        text = json.dumps(meaning, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
