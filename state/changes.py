"""A change of settings: what stays, what comes and goes, or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.errors import SettingsError
from tidecast.state.settings import Settings, SourceSettings
from tidecast.state.terms import Term, source_terms

__all__ = ["Change", "moved"]

CARRIED = frozenset({"max_disorder", "allowed_lateness", "idle_timeout", "max_gap", "deduplicate"})
"""Settings of a source that rule what comes, and leave the meaning of what was counted."""

LEARNS_ELSEWHERE = "deep"
"""The expert that may come and go: it sleeps until it is heard."""

FIXED: tuple[tuple[str, Callable[[Settings], object], str], ...] = (
    ("bins.width", lambda s: s.bins.width, "sums of other bins cannot be made of those counted"),
    (
        "shop.time_zone",
        lambda s: s.shop.time_zone,
        "what was learnt of hours and days would belong to others",
    ),
    ("shop.holidays", lambda s: s.shop.holidays, "what was learnt lacks what holidays do"),
    ("regions.holidays", lambda s: s.regions.holidays, "what was learnt lacks what holidays do"),
    (
        "covariates",
        lambda s: [of.model_dump(exclude={"table"}) for of in s.covariates],
        "what was learnt lacks what they do",
    ),
    ("forecast.horizon", lambda s: s.forecast.horizon, "models and weights are learnt by lead"),
    ("forecast.season_lengths", lambda s: _seasons(s), "seasonal models are learnt by season"),
    (
        "forecast.experts",
        lambda s: [name for name in s.forecast.experts if name != LEARNS_ELSEWHERE],
        "weights are learnt among those experts",
    ),
    (
        "regions",
        lambda s: s.regions.model_dump(exclude={"table", "holidays"}),
        "the same places would have other names",
    ),
    (
        "kafka.topic_prefix",
        lambda s: s.kafka.topic_prefix,
        "checkpoints are migrated in the topic they are in",
    ),
)
"""Settings that cannot be migrated: name, value, reason."""


@dataclass(frozen=True)
class Change:
    """From ``old`` to ``new`` settings, under which what was learnt keeps its meaning."""

    old: Settings
    new: Settings

    @classmethod
    def between(cls, old: Settings, new: Settings) -> Change:
        """Return the change from ``old`` to ``new``.

        Raises
        ------
        SettingsError
            Naming everything that cannot be carried over, and why.
        """
        if refusals := [*_fixed(old, new), *_series(old, new), *_sources(old, new)]:
            raise SettingsError(
                "these settings cannot be migrated; take the change back, or start afresh under "
                "another kafka.topic_prefix:\n  " + "\n  ".join(refusals)
            )
        return cls(old, new)

    @cached_property
    def series(self) -> list[int]:
        """The old number of each new series; -1 where it is added."""
        return _places(_names(self.old.series), _names(self.new.series))

    @cached_property
    def levels(self) -> list[int]:
        """The old place of each new quantile level; -1 where it is added."""
        old, new = (settings.forecast.quantile_levels for settings in (self.old, self.new))
        return _places(old, new)

    @cached_property
    def experts(self) -> list[int]:
        """The old place of each new expert; -1 where it is added."""
        return _places(self.old.forecast.experts, self.new.forecast.experts)

    @property
    def added_series(self) -> list[str]:
        """Series that the old settings lack."""
        return _without(self.new.series, self.old.series)

    @property
    def kept_sources(self) -> list[str]:
        """Sources of both settings."""
        return [name for name in _names(self.new.sources) if name in _names(self.old.sources)]

    @property
    def added_sources(self) -> list[str]:
        """Sources that the old settings lack."""
        return _without(self.new.sources, self.old.sources)

    @property
    def dropped_sources(self) -> list[str]:
        """Sources that the new settings lack."""
        return _without(self.old.sources, self.new.sources)

    def rows(self, source: str) -> list[int]:
        """Return where the rows of a kept source's sums, (1 + term, cell), were; -1 = added."""
        old, new = (_term_keys(settings, source) for settings in (self.old, self.new))
        return [0, *(place + 1 if place >= 0 else -1 for place in _places(old, new))]

    def says(self) -> list[str]:
        """Return a line for each thing that changes."""
        dropped = _without(self.old.series, self.new.series)
        lines = [f"adds series {name}" for name in self.added_series]
        lines += [f"drops series {name}" for name in dropped]
        lines += [f"adds source {name}" for name in self.added_sources]
        lines += [f"drops source {name}" for name in self.dropped_sources]
        old, new = (s.forecast.quantile_levels for s in (self.old, self.new))
        lines += [f"adds quantile level {level}" for level in new if level not in old]
        lines += [f"drops quantile level {level}" for level in old if level not in new]
        was, asked = (s.forecast.experts for s in (self.old, self.new))
        lines += [f"adds expert {name}" for name in asked if name not in was]
        lines += [f"drops expert {name}" for name in was if name not in asked]
        for name in self.kept_sources:
            before, after = (_source(settings, name) for settings in (self.old, self.new))
            lines += [f"changes {key} of source {name}" for key in _differing(before, after)]
        lines += [f"changes limits.{key}" for key in _differing(self.old.limits, self.new.limits)]
        return lines


def moved(
    array: NDArray[Any], places: Sequence[int], axis: int, fill: ArrayLike = 0
) -> NDArray[Any]:
    """Return ``array`` with ``axis`` rearranged: a new place takes an old one, or ``fill`` (-1).

    ``fill`` is a number, or an array of the other axes.

    Examples
    --------
    >>> moved(np.array([[1, 2], [3, 4]]), [1, -1, 0], axis=1, fill=7).tolist()
    [[2, 7, 1], [4, 7, 3]]
    """
    shape = [*array.shape]
    shape[axis] = len(places)
    result = np.empty(shape, array.dtype)
    old, new = np.moveaxis(array, axis, 0), np.moveaxis(result, axis, 0)
    for number, place in enumerate(places):
        new[number] = old[place] if place >= 0 else fill
    return result


def _fixed(old: Settings, new: Settings) -> Iterator[str]:
    for name, value, why in FIXED:
        if value(old) != value(new):
            yield f"{name} changes from {value(old)!r} to {value(new)!r}: {why}"


def _series(old: Settings, new: Settings) -> Iterator[str]:
    before = {series.name: series for series in old.series}
    for series in new.series:
        if before.get(series.name, series) != series:
            keys = ", ".join(_differing(before[series.name], series))
            yield (
                f"series {series.name!r} would mean something else ({keys}): "
                "give the new one a name of its own"
            )


def _sources(old: Settings, new: Settings) -> Iterator[str]:
    for name in _names(new.sources):
        if name not in _names(old.sources):
            continue
        keys = _differing(_source(old, name), _source(new, name))
        if other := [key for key in keys if key not in CARRIED]:
            yield (
                f"source {name!r} would be read in another way ({', '.join(other)}): "
                "drop it and add one with a name and a topic of its own"
            )


def _seasons(settings: Settings) -> tuple[int, ...]:
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    return settings.forecast.season_lengths or grid.season_lengths()


def _source(settings: Settings, name: str) -> SourceSettings:
    return next(source for source in settings.sources if source.name == name)


def _term_keys(settings: Settings, source: str) -> list[tuple[str, Term]]:
    """Return what tells the terms of a source apart, whatever the order of series."""
    terms = source_terms(settings, _source(settings, source))
    return [(settings.series[term.series].name, replace(term, series=0)) for term in terms]


def _differing(old: Any, new: Any) -> list[str]:
    return [key for key in type(old).model_fields if getattr(old, key) != getattr(new, key)]


def _names(items: Sequence[Any]) -> list[str]:
    return [item.name for item in items]


def _without(items: Sequence[Any], others: Sequence[Any]) -> list[str]:
    return [name for name in _names(items) if name not in _names(others)]


def _places(old: Sequence[Any], new: Sequence[Any]) -> list[int]:
    return [old.index(item) if item in old else -1 for item in new]
