"""A library that complains a hundred times a second is heard now and then."""

from __future__ import annotations

import logging

import pytest

from tidecast.streams import calm
from tidecast.streams.calm import EVERY_SECONDS, Calm


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(calm.time, "monotonic", lambda: now[0])
    return now


def test_the_same_complaint_passes_once_in_a_while(clock: list[float]) -> None:
    rule = Calm()
    assert rule.filter(record("aiokafka.conn", "no %s", "broker"))
    assert not any(rule.filter(record("aiokafka.conn", "no %s", n)) for n in range(500))
    clock[0] += EVERY_SECONDS
    again = record("aiokafka.conn", "no %s", "broker")
    assert rule.filter(again)
    assert again.getMessage() == "no broker (and 500 lines more, not shown)"


def test_other_complaints_and_other_loggers_pass(clock: list[float]) -> None:
    rule = Calm()
    assert rule.filter(record("aiokafka.conn", "one"))
    assert rule.filter(record("aiokafka.conn", "another"))
    assert all(rule.filter(record("tidecast.streams.app", "one")) for _ in range(10))
    assert all(rule.filter(record("aiokafkaesque", "one")) for _ in range(10))
