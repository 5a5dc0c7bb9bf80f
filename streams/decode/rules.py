"""What a source's settings mean for its records: read once, shared by both ways of decoding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tidecast.state.bins import to_micros
from tidecast.state.errors import SettingsError
from tidecast.state.regions import Locator, locator
from tidecast.state.settings import Settings, SourceSettings
from tidecast.state.settings.events import KINDS, NUMBERS
from tidecast.state.terms import Term, source_terms
from tidecast.streams.decode.times import UNITS
from tidecast.streams.schemas.events import check_name

__all__ = ["LARGEST", "MAX_DEPTH", "PLACES", "Rules"]

LARGEST = 10**12
"""The largest fixed-point value of one record; half a million of them still fit an int64 sum."""

MAX_DEPTH = 64
"""How deep the arrays and objects of a record may nest."""

PLACES = ("lat", "lng")


@dataclass(frozen=True)
class Rules:
    """The contract of one source.

    Raises
    ------
    SettingsError
        When two of our fields read one field of the record as different types, or a default
        cannot be a name.
    """

    settings: Settings
    source: SourceSettings

    def __post_init__(self) -> None:
        texts = {self.source.field(name) for name in self.texts}
        if self.id_field is not None:
            texts.add(self.id_field)
        both = texts & {self.source.field(name) for name in self.floats}
        if both:
            raise SettingsError(
                f"source {self.source.name!r}: the field {min(both)!r} is read both as text and as "
                "a number; give each its own field under [sources.fields]"
            )
        for name in ("region", "category"):
            self._check_default(name)

    def _check_default(self, name: str) -> None:
        if name not in self.source.defaults:
            return
        try:
            check_name(str(self.source.defaults[name]))
        except ValueError as error:
            raise SettingsError(
                f"source {self.source.name!r}: defaults.{name} cannot be used: {error}"
            ) from None

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of event of the stream; codes of kinds count in this order."""
        return KINDS[self.source.stream]

    @cached_property
    def words(self) -> dict[str, str]:
        """The record's word -> our kind."""
        return self.source.kind_words()

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers an event carries."""
        return NUMBERS[self.source.stream]

    @cached_property
    def needed_numbers(self) -> tuple[str, ...]:
        """The numbers an event must carry."""
        return ("units",) if self.source.stream == "order" else ()

    @cached_property
    def locator(self) -> Locator | None:
        """What computes the region, or None where the record names it."""
        return locator(self.settings.regions)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The fields read as text."""
        time = () if self.source.time.format in UNITS else ("event_time",)
        return (*time, *(("region",) if self.locator is None else ()), "category", "kind")

    @cached_property
    def id_field(self) -> str | None:
        """The record's field with the event's id, or None where it is not read."""
        return self.source.field("event_id") if self.source.deduplicate else None

    @cached_property
    def floats(self) -> tuple[str, ...]:
        """The fields read as numbers."""
        time = ("event_time",) if self.source.time.format in UNITS else ()
        return (*time, *(PLACES if self.locator is not None else ()), *self.numbers)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms that the source's events add to."""
        return source_terms(self.settings, self.source)

    @cached_property
    def scales(self) -> dict[str, float]:
        """The number -> the largest factor that it is multiplied by; at least 1."""
        decimals = dict.fromkeys(self.numbers, 0)
        for term in self.terms:
            if term.of is not None:
                decimals[term.of] = max(decimals[term.of], term.decimals)
        return {name: 10.0**count for name, count in decimals.items()}

    @cached_property
    def span(self) -> tuple[int, int]:
        """The half-open span of event times that are believed, in microseconds."""
        limits = self.settings.limits
        return to_micros(limits.not_before), to_micros(limits.not_after)
