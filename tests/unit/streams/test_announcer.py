"""What the announcer says and refuses, without a broker."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from slabs import settings_with

from tidecast.state.cuts import Announcement
from tidecast.state.errors import ServiceError
from tidecast.streams import extent, follow
from tidecast.streams.announcer import Announcer

SETTINGS = settings_with(covariates=[{"name": "promotion", "topic": "told"}])
PLACE = TopicPartition("told", 0)


class Record(NamedTuple):
    offset: int
    value: bytes


class Topic:
    """Stands for the broker and for a consumer of it."""

    def __init__(self, *values: bytes, begin: int = 0) -> None:
        self.values, self.begin, self.at = list(values), begin, 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [PLACE]

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    async def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PLACE: self.begin}

    async def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PLACE: self.begin + len(self.values)}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Record]]:
        await asyncio.sleep(0)
        numbered = [Record(n, v) for n, v in enumerate(self.values, self.begin) if n >= self.at]
        self.at = self.begin + len(self.values)
        return {PLACE: numbered} if numbered else {}


class Log:
    """Keeps what is said and refused."""

    def __init__(self, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[Announcement] = []
        self.letters: list[dict[str, Any]] = []
        monkeypatch.setattr(follow, "partition_counts", lambda *_: {"told": 1})
        monkeypatch.setattr(follow, "AIOKafkaConsumer", lambda **_: topic)
        monkeypatch.setattr(extent, "SETTLE_SECONDS", 0)
        self.announcer = Announcer(SETTINGS, self._say, self._refuse)

    async def _say(self, announcement: Announcement) -> None:
        self.said.append(announcement)

    async def _refuse(self, letter: bytes) -> None:
        self.letters.append(json.loads(letter))


def told(value: float) -> bytes:
    return json.dumps({"name": "promotion", "time": "2026-01-31", "value": value}).encode()


def test_all_that_is_there_is_announced_and_what_is_broken_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log(Topic(told(1), b"broken", told(2), b"broken", begin=5), monkeypatch)
    asyncio.run(log.announcer.catch_up())
    (said,) = log.said
    assert (said.topic, said.partition, said.upto) == ("told", 0, 9)
    assert [(row.offset, row.value) for row in said.rows] == [(5, 1.0), (7, 2.0)]
    assert [(letter["topic"], letter["offset"]) for letter in log.letters] == [
        ("told", 6),
        ("told", 8),
    ]
    assert log.letters[0]["source"] == "covariates"
    assert log.letters[0]["reason"].startswith("bad_record")


def test_it_begins_where_the_log_has_come_and_goes_on_with_what_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = Topic(told(1), told(2))
    log = Log(topic, monkeypatch)

    async def whole() -> None:
        log.announcer.begin({PLACE: 1})
        await log.announcer.catch_up()
        log.announcer.follow()
        topic.values.append(told(3))
        while len(log.said) < 2:
            await asyncio.sleep(0.001)
        log.announcer.begin({})
        topic.values.append(told(4))
        await asyncio.sleep(0.01)

    asyncio.run(whole())
    assert [[row.value for row in said.rows] for said in log.said] == [[2.0], [3.0]]


def test_a_topic_made_anew_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(Topic(told(1)), monkeypatch)

    async def whole() -> None:
        log.announcer.begin({PLACE: 2})
        with pytest.raises(ServiceError, match="told/0 ends at offset 1, but was read up to 2"):
            await log.announcer.catch_up()
        log.announcer.follow()
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceError, match="it was made anew"):
            log.announcer.check()

    asyncio.run(whole())


class Rising(Topic):
    """Shows the end of some records less when it is asked first, as of a broker just come up."""

    lacking = 2

    async def end_offsets(self, places: object) -> dict[TopicPartition, int]:
        self.lacking, lacked = max(0, self.lacking - 1), self.lacking
        return {place: end - lacked for place, end in (await super().end_offsets(places)).items()}


def test_a_topic_that_ends_too_early_for_a_moment_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log(Rising(told(1), told(2), told(3)), monkeypatch)
    log.announcer.begin({PLACE: 2})
    asyncio.run(log.announcer.catch_up())
    assert [[row.value for row in said.rows] for said in log.said] == [[3.0]]


def test_without_a_topic_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "partition_counts", lambda *_: pytest.fail("asked"))
    log = Announcer(settings_with(), None, None)  # type: ignore[arg-type]
    asyncio.run(log.catch_up())
    log.follow()
    log.check()
