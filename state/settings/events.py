"""Settings of what comes in: sources, regions, and the series made of them."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from tidecast.state.settings.base import DAY, Duration, Frozen, Name

__all__ = [
    "KINDS",
    "NUMBERS",
    "CovariateKind",
    "CovariateSettings",
    "HolidayCode",
    "MarkSettings",
    "RegionsSettings",
    "SeriesSettings",
    "SourceSettings",
    "StreamKind",
    "TimeSettings",
    "ZoneName",
]


class StreamKind(StrEnum):
    """The kinds of event stream."""

    CLICK = "click"
    ORDER = "order"
    LOGISTICS = "logistics"
    STOCK = "stock"


KINDS: dict[StreamKind, tuple[str, ...]] = {
    StreamKind.CLICK: ("view", "cart", "favourite", "purchase"),
    StreamKind.ORDER: ("order", "cancellation", "return"),
    StreamKind.LOGISTICS: ("dispatched", "shipped", "delivered", "failed", "returned"),
    StreamKind.STOCK: ("sold_out", "closed", "available"),
}
"""The kinds of event each stream may carry."""

NUMBERS: dict[StreamKind, tuple[str, ...]] = {
    StreamKind.CLICK: ("value",),
    StreamKind.ORDER: ("units", "amount"),
    StreamKind.LOGISTICS: ("hours", "units"),
    StreamKind.STOCK: (),
}
"""The numbers an event of each stream may carry, for series to add up."""

TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]

TEXTS = ("region", "category", "kind", "event_id")
PLACES = ("lat", "lng")


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError('name an IANA time zone such as "Europe/London" or "UTC"') from error
    return value


ZoneName = Annotated[str, AfterValidator(_check_zone)]


def _check_holidays(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{2,3}(-[A-Z0-9]{1,6})?", value):
        raise ValueError('write a country as ISO 3166 does, or a part of one: "GB", "DE-BY"')
    return value


HolidayCode = Annotated[str, AfterValidator(_check_holidays)]
"""A country whose holidays are kept, or a part of one: "GB", "DE-BY"."""


class TimeSettings(Frozen):
    """How a source writes its event times.

    ``format`` is "iso" (ISO 8601), a unit of the Unix epoch ("s", "ms", "us"), or a strptime
    pattern such as "%d/%m/%Y %H:%M". ``zone`` is taken for texts that carry no offset.
    """

    format: str = "iso"
    zone: ZoneName = "UTC"

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.format not in ("iso", "s", "ms", "us") and "%" not in self.format:
            raise ValueError('format must be "iso", "s", "ms", "us" or a strptime pattern with %')
        return self


class SourceSettings(Frozen):
    """One Kafka topic of events and how to read it.

    ``fields`` maps our names to the record's; a name that is not listed stands for itself.
    ``kinds`` maps our kinds to the record's words; ``defaults`` fills in what records lack.
    ``deduplicate`` counts an event once however often a partition has it, by its ``event_id``.
    """

    name: Name
    topic: TopicName
    stream: StreamKind
    fields: dict[str, str] = Field(default={})
    kinds: dict[str, str | list[str]] = Field(default={})
    defaults: dict[str, str | float] = Field(default={})
    time: TimeSettings = TimeSettings()
    max_disorder: Duration = 5_000_000
    allowed_lateness: Duration = 600_000_000
    idle_timeout: Duration = 60_000_000
    max_gap: Duration = Field(default=7 * DAY, gt=0)
    negative_units: Literal["refuse", "cancellation", "subtract"] = "refuse"
    deduplicate: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Our field names that records of this source may carry."""
        return ("event_time", *TEXTS, *PLACES, *NUMBERS[self.stream])

    def field(self, name: str) -> str:
        """Return the record's name of our field ``name``."""
        return self.fields.get(name, name)

    def kind_words(self) -> dict[str, str]:
        """Return the record's word -> our kind, for every kind of the stream."""
        words: dict[str, str] = {}
        for kind in KINDS[self.stream]:
            theirs = self.kinds.get(kind, kind if not self.kinds else [])
            words.update(dict.fromkeys([theirs] if isinstance(theirs, str) else theirs, kind))
        return words

    @model_validator(mode="after")
    def _known_words(self) -> Self:
        for key in self.fields.keys() | self.defaults.keys():
            if key not in self.names:
                raise ValueError(f"unknown field {key!r}: use one of {', '.join(self.names)}")
        for kind in self.kinds:
            if kind not in KINDS[self.stream]:
                raise ValueError(
                    f"unknown kind {kind!r}: use one of {', '.join(KINDS[self.stream])}"
                )
        for key in ("event_time", "event_id"):
            if key in self.defaults:
                raise ValueError(f"{key} can have no default: every event needs its own")
        if self.stream is not StreamKind.ORDER and self.negative_units != "refuse":
            raise ValueError("negative_units is for streams of orders only")
        return self

    @model_validator(mode="after")
    def _typed_defaults(self) -> Self:
        for key, value in self.defaults.items():
            number = key in NUMBERS[self.stream] or key in PLACES
            if number != isinstance(value, int | float):
                raise ValueError(f"default of {key!r} must be a {'number' if number else 'text'}")
        if (kind := self.defaults.get("kind")) and kind not in self.kind_words():
            raise ValueError(f"default kind {kind!r} is not a word that this source knows")
        return self


class RegionsSettings(Frozen):
    """Where regions come from.

    "field": the record names its region; ``table`` (CSV: region, lat, lng) gives positions.
    "h3": computed from lat/lng at ``resolution``. "grid": from lat/lng on a regular grid of
    ``cell_degrees``. ``holidays`` names the country of regions that do not keep the shop's.
    """

    by: Literal["field", "h3", "grid"] = "field"
    table: Path | None = None
    resolution: int = Field(default=6, ge=0, le=15)
    cell_degrees: float = Field(default=0.1, gt=0, le=90)
    holidays: dict[str, HolidayCode] = Field(default={})

    @model_validator(mode="after")
    def _table_needs_field(self) -> Self:
        if self.table is not None and self.by != "field":
            raise ValueError('table gives positions of named regions: it needs by = "field"')
        return self


class MarkSettings(Frozen):
    """The events that tell of a bin that less came in it than was wanted.

    An event of one of ``kinds`` marks its own cell's bin: sold out, closed, not delivered.
    """

    stream: StreamKind
    kinds: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        _check_kinds(self.stream, self.kinds)
        return self


class SeriesSettings(Frozen):
    """A named aggregate of one stream over a bin.

    "count" counts events; "sum" and "mean" take a number ``of`` the events; "ratio" divides two
    other series of "count" or "sum" (``numerator`` by ``denominator``). ``kinds`` keeps only
    events of these kinds. ``decimals`` is the fixed-point scale sums are kept in. The bins that
    ``censored_by`` marks tell the least that was wanted, not all of it.
    """

    name: Name
    stream: StreamKind | None = None
    aggregate: Literal["count", "sum", "mean", "ratio"]
    of: str | None = None
    kinds: tuple[str, ...] = ()
    numerator: str | None = None
    denominator: str | None = None
    decimals: int = Field(default=3, ge=0, le=6)
    censored_by: MarkSettings | None = None

    @property
    def adds_up(self) -> bool:
        """Tell whether values of cells are parts of a whole; means and ratios are not."""
        return self.aggregate in ("count", "sum")

    @model_validator(mode="after")
    def _parts_fit_aggregate(self) -> Self:
        if self.aggregate == "ratio":
            self._check_ratio()
        else:
            self._check_sums()
        return self

    def _check_ratio(self) -> None:
        if self.numerator is None or self.denominator is None:
            raise ValueError("a ratio needs numerator and denominator: names of two other series")
        if self.stream is not None or self.of is not None or self.kinds:
            raise ValueError("a ratio takes its streams and filters from the two series it names")

    def _check_sums(self) -> None:
        if self.stream is None:
            raise ValueError(f"a {self.aggregate} needs stream: click, order, logistics or stock")
        if self.numerator is not None or self.denominator is not None:
            raise ValueError(f"numerator and denominator are for a ratio, not a {self.aggregate}")
        if (self.of is None) != (self.aggregate == "count"):
            raise ValueError("sum and mean need of = the number to add up; count takes none")
        if self.of is not None and self.of not in NUMBERS[self.stream]:
            known = ", ".join(NUMBERS[self.stream])
            raise ValueError(f"of = {self.of!r} is not a number of {self.stream} events: {known}")
        _check_kinds(self.stream, self.kinds)


def _check_kinds(stream: StreamKind, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        if kind not in KINDS[stream]:
            known = ", ".join(KINDS[stream])
            raise ValueError(f"unknown kind {kind!r} of {stream} events: use {known}")


CovariateKind = Literal["known", "past", "static"]


class CovariateSettings(Frozen):
    """A number that moves demand, such as a promotion, a price, a temperature, the size of a store.

    It is "known" ahead, told only of what is "past", or "static": of cells, at any time. ``table``
    is a CSV file of time (but of static ones) and value; a region, a category and ``known_at``,
    when a row was known, as far as there are any. Else records of ``topic`` tell it, each ``by``
    region, category, both or neither. ``absent`` is the value where there is no row; None =
    missing.
    """

    name: Name
    table: Path | None = None
    topic: TopicName | None = None
    by: tuple[Literal["region", "category"], ...] = ()
    kind: CovariateKind = "known"
    absent: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _told_somewhere(self) -> Self:
        if (self.table is None) == (self.topic is None):
            raise ValueError("name a table or a topic that tells it: one of them")
        if self.by and self.topic is None:
            raise ValueError("by is for a topic: a table says by its columns what its rows are of")
        if self.kind == "static" and self.topic is not None:
            raise ValueError('kind = "static" needs a table: records of a topic are of a time')
        return self
