"""Read a record for the recount: a plain one at once, an odd one by the judge."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tidecast.state.settings import Settings, SourceSettings
from tidecast.streams.decode.judge import Judge, Judged
from tidecast.streams.decode.rules import Rules
from tidecast.streams.decode.times import time_parser
from tidecast.streams.schemas.events import check_name

__all__ = ["RecordReader"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
ODD = re.compile(rb"[\x00-\x1f\\\[]|.\{| :", re.DOTALL)  # escapes, nesting, spaces before a colon
LARGEST_PLAIN = 1e6
KNOWN_NAMES = 200_000


class RecordReader:
    """Says what records of one source mean, as the judge does, and most of them quicker."""

    def __init__(self, settings: Settings, source: SourceSettings) -> None:
        self.rules = Rules(settings, source)
        self._judge = Judge(self.rules)
        self._parse_time = time_parser(source.time)
        self._limit = settings.limits.record_bytes
        self._known: set[str] = set()
        self._may_be_plain = self.rules.locator is None  # regions of positions are the judge's
        self._fields = {name: source.field(name) for name in source.names}
        self._defaults = source.defaults

    def read(self, record: bytes | None) -> Judged:
        """Return what ``record`` says.

        Raises
        ------
        ContractError
            When it breaks the contract, with the judge's reason.
        """
        plain = self._plain(record) if record and self._may_be_plain else None
        return plain or self._judge.judge(record)

    def _plain(self, record: bytes) -> Judged | None:
        """Return what a plain record says, None for any that needs a closer look."""
        if len(record) > self._limit or ODD.search(record):
            return None
        try:
            fields = orjson.loads(record)
        except orjson.JSONDecodeError:
            return None
        if type(fields) is not dict or record.count(b'":') != len(fields):  # a key stands twice
            return None
        kind = self.rules.words.get(self._text(fields, "kind") or "")
        region, category = self._text(fields, "region"), self._text(fields, "category")
        time = self._time(fields.get(self._fields["event_time"]))
        if kind is None or time is None or not (self._named(region) and self._named(category)):
            return None
        numbers = []
        for name in self.rules.numbers:
            number = self._number(fields, name)
            if number is None:
                return None
            numbers.append(number)
        event_id = fields.get(self.rules.id_field, "") if self.rules.id_field else ""
        if type(event_id) is not str:
            return None
        return Judged(time, str(region), str(category), kind, tuple(numbers), event_id)

    def _value(self, fields: dict[str, Any], name: str) -> object:
        value = fields.get(self._fields[name])
        return self._defaults.get(name) if value is None else value

    def _text(self, fields: dict[str, Any], name: str) -> str | None:
        value = self._value(fields, name)
        return value if type(value) is str else None

    def _number(self, fields: dict[str, Any], name: str) -> float | None:
        """Return a number, NaN where there is none, None where the judge must look."""
        value = self._value(fields, name)
        if value is None:
            return None if name in self.rules.needed_numbers else float("nan")
        plain = type(value) in (int, float) and 0 <= value <= LARGEST_PLAIN  # type: ignore[operator]
        return float(value) if plain else None  # type: ignore[arg-type]

    def _time(self, value: object) -> int | None:
        try:
            if type(value) is str and PLAIN_TIME.fullmatch(value) and self._is_iso:
                time = (datetime.fromisoformat(value) - EPOCH) // MICROSECOND
            else:
                time = self._parse_time(value)
        except ValueError:
            return None
        first, end = self.rules.span
        return time if first <= time < end else None

    @property
    def _is_iso(self) -> bool:
        return self.rules.source.time.format == "iso"

    def _named(self, name: str | None) -> bool:
        if name in self._known:
            return True
        if name is None:
            return False
        try:
            check_name(name)
        except ValueError:
            return False
        if len(self._known) >= KNOWN_NAMES:
            self._known.clear()
        self._known.add(name)
        return True
