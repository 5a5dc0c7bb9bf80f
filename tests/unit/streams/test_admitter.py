"""Which answers of a deep model a live forecaster admits, and for how long it waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import KafkaConnectionError
from deep_answers import answer

from tidecast.state.cuts import Admission
from tidecast.state.deep_forecast import DeepForecast
from tidecast.streams import admitter
from tidecast.streams.admitter import Admitter, Awaited
from tidecast.streams.deep_wire import encode_deep_forecast
from tidecast.streams.follow import Fetched

SHAPE = (2, 4, 3)
LONG = 60.0


class Log:
    """The topic of answers, and what is said in the forecaster's log."""

    def __init__(self, patience_seconds: float = LONG) -> None:
        self.said: list[Admission] = []
        self.away = 0
        self._news: asyncio.Queue[bytes] = asyncio.Queue()
        self.admitter = Admitter(self._say, patience_seconds, self._follow)
        self.admitter.start()

    async def _say(self, admission: Admission) -> None:
        self.said.append(admission)

    async def _follow(self, back: int) -> AsyncIterator[list[Fetched]]:
        if self.away:
            self.away -= 1
            raise KafkaConnectionError("the broker is away")
        while True:
            yield [Fetched(0, [await self._news.get()], is_last=True)]

    def answer(self, said: DeepForecast | bytes) -> None:
        self._news.put_nowait(said if isinstance(said, bytes) else encode_deep_forecast(said))

    async def decided(self, bin_: int) -> DeepForecast | None:
        """Return what is decided of a bin that closes now."""
        before = len(self.said)
        self.admitter.begin(Awaited(bin_, SHAPE))
        async with asyncio.timeout(30):
            while len(self.said) == before:
                await asyncio.sleep(0.001)
        assert self.said[-1].origin_bin == bin_
        self.admitter.begin(None)
        return self.said[-1].said


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def stopped() -> None:
        await test()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(stopped())


def test_an_answer_that_comes_in_time_is_admitted_to_the_bit() -> None:
    async def test() -> None:
        log = Log()
        log.answer(answer(6, 4))
        asyncio.get_running_loop().call_later(0.05, log.answer, answer(7, 4, mean=0.1))
        found = await log.decided(7)
        assert found is not None
        assert found.mean.tobytes() == answer(7, 4, mean=0.1).mean.tobytes()

    run(test)


def test_an_answer_that_is_there_already_is_not_waited_for() -> None:
    async def test() -> None:
        log = Log(patience_seconds=0.0)
        log.answer(answer(7, 4))
        await asyncio.sleep(0.05)
        assert await log.decided(7) is not None

    run(test)


def test_of_two_answers_to_a_bin_the_first_counts() -> None:
    async def test() -> None:
        log = Log()
        log.answer(answer(7, 4, mean=0.25))
        log.answer(answer(7, 4, mean=0.5))
        await asyncio.sleep(0.05)
        said = await log.decided(7)
        assert said is not None
        assert (said.mean[1] == 0.25).all()

    run(test)


def test_without_an_answer_the_bin_goes_on_at_the_deadline_and_the_next_ones_at_once() -> None:
    async def test() -> None:
        log = Log(patience_seconds=0.3)
        started = time.monotonic()
        assert await log.decided(7) is None
        assert time.monotonic() - started >= 0.3
        started = time.monotonic()
        for bin_ in range(8, 18):
            assert await log.decided(bin_) is None
        assert time.monotonic() - started < 2.0

    run(test)


def test_who_is_heard_again_is_waited_for_again() -> None:
    async def test() -> None:
        log = Log(patience_seconds=5.0)
        log.admitter._is_heard = False
        assert await log.decided(7) is None
        log.answer(answer(7, 4))  # too late, but somebody is there
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.2, log.answer, answer(8, 4))
        assert await log.decided(8) is not None

    run(test)


@pytest.mark.parametrize(
    "broken",
    [
        answer(7, 5),
        answer(7, 4, mean=np.nan),
        replace(answer(7, 4), scale=-np.ones((2, 4, 3), np.float32)),
    ],
    ids=["cells", "nothing", "scale"],
)
def test_an_answer_without_sense_is_refused_and_the_bin_goes_on(
    broken: DeepForecast, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        log = Log()
        log.answer(broken)
        assert await log.decided(7) is None

    run(test)
    assert "what first says after bin 7 is refused" in caplog.text


def test_a_record_that_is_no_answer_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        log = Log()
        log.answer(b"[]")
        log.answer(answer(7, 4))
        assert await log.decided(7) is not None

    run(test)
    assert "passed over" in caplog.text


def test_a_broker_that_was_away_is_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitter, "PAUSE_SECONDS", 0.01)

    async def test() -> None:
        log = Log()
        log.away = 3
        log.answer(answer(7, 4))
        assert await log.decided(7) is not None
        log.admitter.check()

    run(test)


def test_a_decision_that_could_not_be_written_is_an_error() -> None:
    async def broken(_: Admission) -> None:
        raise ConnectionError("the broker is away")

    async def test() -> None:
        log = Log(patience_seconds=0.0)
        log.admitter._say = broken
        log.admitter.begin(Awaited(7, SHAPE))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError, match="broker is away"):
            log.admitter.check()

    run(test)


def test_answers_to_bins_far_ahead_push_out_none() -> None:
    async def test() -> None:
        log = Log()
        for bin_ in (*range(9_000, 9_000 + admitter.KEPT), 7):
            log.answer(answer(bin_, 4))
        assert await log.decided(7) is not None

    run(test)


def test_only_the_last_answers_are_kept() -> None:
    async def test() -> None:
        log = Log()
        for bin_ in range(100):
            log.answer(answer(bin_, 4))
        assert await log.decided(99) is not None
        assert len(log.admitter._answers) == admitter.KEPT

    run(test)
