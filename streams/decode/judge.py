"""The judge: one record against the contract, slowly and exactly.

The columnar decoder gives whatever it is not sure of to the judge, and must agree with the judge
about everything else.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from tidecast.state.bins import iso
from tidecast.state.errors import ContractError
from tidecast.streams.decode.ids import as_id
from tidecast.streams.decode.rules import LARGEST, MAX_DEPTH, PLACES, Rules
from tidecast.streams.decode.times import time_parser
from tidecast.streams.schemas.events import EVENT_MODELS, Event, SignedOrderEvent, as_text

__all__ = ["Judge", "Judged"]

LONGEST_INT = 400  # digits; more are beyond float64, and Python refuses to parse thousands
CODES = {
    "missing": "missing_field",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "value_error": "bad_name",
}
LONGEST_REASON = 300


class Judged(NamedTuple):
    """What a valid record says.

    ``time`` is microseconds UTC, ``numbers`` those of the stream in the order of its contract;
    NaN stands for a number that the record lacks. ``event_id`` is empty where the record has none,
    or the source is not de-duplicated.
    """

    time: int
    region: str
    category: str
    kind: str
    numbers: tuple[float, ...]
    event_id: str = ""


class Judge:
    """Decides about single records of one source.

    Raises
    ------
    SettingsError
        When the source's settings contradict each other.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._parse_time = time_parser(rules.source.time)
        self._model: type[Event] = EVENT_MODELS[rules.source.stream]
        if rules.source.negative_units == "subtract":
            self._model = SignedOrderEvent

    def judge(self, record: bytes | None) -> Judged:
        """Return what ``record`` says.

        Raises
        ------
        ContractError
            When it breaks the contract: a short stable code, a colon and a sentence.
        """
        parsed = self._parsed(record)
        fields = self._mapped(parsed)
        time = self._time(fields["event_time"])
        self._apply_kind(fields)
        self._apply_signs(fields)
        event = self._validated(fields)
        region = event.region
        if self.rules.locator is not None:
            region = self.rules.locator.name(*(float(getattr(event, name)) for name in PLACES))
        numbers, kind = self._numbers(event), fields["kind"]
        event_id = as_id(parsed.get(self.rules.id_field)) if self.rules.id_field else ""
        return Judged(time, region, event.category, kind, numbers, event_id)

    def _parsed(self, record: bytes | None) -> dict[str, Any]:
        if record is None:
            raise _refusal("tombstone", "the record has no value")
        if not record:
            raise _refusal("empty", "the record has no bytes")
        if len(record) > (limit := self.rules.settings.limits.record_bytes):
            raise _refusal(
                "too_large", f"{len(record)} bytes, more than limits.record_bytes = {limit}"
            )
        try:
            value = json.loads(
                record.decode("utf-8"),
                parse_int=_parse_int,
                parse_constant=_no_constant,
                object_pairs_hook=_first_wins,
            )
        except UnicodeDecodeError as error:
            raise _refusal(
                "not_utf8", f"the bytes are not UTF-8 at position {error.start}"
            ) from None
        except RecursionError:
            raise _refusal("too_deep", f"arrays and objects nest deeper than {MAX_DEPTH}") from None
        except ValueError as error:
            raise _refusal("not_json", str(error)) from None
        if not isinstance(value, dict):
            raise _refusal("not_object", "the record is JSON, but no object")
        if record.count(b"[") + record.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise _refusal("too_deep", f"arrays and objects nest deeper than {MAX_DEPTH}")
        return value

    def _mapped(self, record: dict[str, Any]) -> dict[str, Any]:
        source = self.rules.source
        fields: dict[str, Any] = {}
        for name in (*self.rules.texts, *self.rules.floats):
            value = record.get(source.field(name))
            fields[name] = source.defaults.get(name) if value is None else value
            if fields[name] is None and name not in self.rules.numbers:
                raise _refusal("missing_field", f"{source.field(name)} is missing or null")
        for name in self.rules.needed_numbers:
            if fields[name] is None:
                raise _refusal("missing_field", f"{source.field(name)} is missing or null")
        return fields

    def _time(self, value: object) -> int:
        field = self.rules.source.field("event_time")
        try:
            time = self._parse_time(value)
        except ValueError as error:
            raise _refusal("bad_time", f"{field} {error}") from None
        first, end = self.rules.span
        if not first <= time < end:
            raise _refusal("time_out_of_range", f"{field} is not from {iso(first)} to {iso(end)}")
        return time

    def _apply_kind(self, fields: dict[str, Any]) -> None:
        word = as_text(fields["kind"])
        if not isinstance(word, str) or word not in self.rules.words:
            known = ", ".join(self.rules.words)
            raise _refusal(
                "unknown_kind", f"{self.rules.source.field('kind')} must be one of {known}"
            )
        fields["kind"] = self.rules.words[word]

    def _apply_signs(self, fields: dict[str, Any]) -> None:
        if self.rules.source.negative_units != "cancellation":
            return
        numbers = [name for name in self.rules.numbers if _is_number(fields[name])]
        if any(fields[name] < 0 for name in numbers):
            fields["kind"] = "cancellation"
            fields.update({name: abs(fields[name]) for name in numbers})

    def _validated(self, fields: dict[str, Any]) -> Event:
        if self.rules.locator is not None:
            fields = fields | {"region": "computed"}
        try:
            return self._model.model_validate(fields)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
        name = self.rules.source.field(str(problem["loc"][0]))
        message = problem["msg"].removeprefix("Value error, ")
        raise _refusal(CODES.get(problem["type"], "wrong_type"), f"{name}: {message}")

    def _numbers(self, event: Event) -> tuple[float, ...]:
        numbers = []
        for name in self.rules.numbers:
            value = getattr(event, name)
            if value is not None and abs(value) * self.rules.scales[name] > LARGEST:
                field = self.rules.source.field(name)
                raise _refusal("out_of_range", f"{field} is too large to add up exactly")
            numbers.append(math.nan if value is None else float(value))
        return tuple(numbers)


def _refusal(code: str, sentence: str) -> ContractError:
    return ContractError(f"{code}: {sentence}"[:LONGEST_REASON])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse_int(text: str) -> int | float:
    return int(text) if len(text) <= LONGEST_INT else math.copysign(math.inf, float(text[:1] + "1"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _depth(value: object) -> int:
    """Return how many arrays and objects the deepest value lies in."""
    depth, level = 0, [value]
    while level:
        nested = [item for item in level if isinstance(item, list | dict)]
        depth += bool(nested)
        level = [
            child
            for item in nested
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
