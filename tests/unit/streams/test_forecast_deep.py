"""A forecast worker that asks a deep model, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from deep_answers import answer
from forecast_shelf import PLACE, Shelf
from refits import CELLS, FIRST_BIN, bins
from slabs import LISTED, settings_with

from tidecast.state.cuts import Admission, InputMessage
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.partition import Batch
from tidecast.streams.admitter import Admitter
from tidecast.streams.deep_wire import encode_deep_forecast
from tidecast.streams.follow import Fetched
from tidecast.streams.forecast import ForecastRole
from tidecast.streams.wire import encode_input, parse_input

SETTINGS = settings_with(
    forecast={"horizon": 3, "season_lengths": [4], "experts": ["seasonal_naive", "tsb", "deep"]}
)
FINGERPRINT = SETTINGS.fingerprint()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


class Asked:
    """A role that asks a deep model, and what that answers."""

    def __init__(self, shelf: Shelf, patience_seconds: float) -> None:
        self.shelf = shelf
        self._news: asyncio.Queue[bytes] = asyncio.Queue()
        self.role = ForecastRole(SETTINGS, shelf)  # type: ignore[arg-type]
        self.role._admitter = Admitter(self.role._decide, patience_seconds, self._follow)
        self.taken = 0

    async def _follow(self, back: int) -> AsyncIterator[list[Fetched]]:
        while True:
            yield [Fetched(0, [await self._news.get()], is_last=True)]

    def answer(self, said: DeepForecast) -> None:
        self._news.put_nowait(encode_deep_forecast(said))

    def admissions(self) -> list[Admission]:
        """Return what stands in the log of what was admitted."""
        values = [value for topic, value in self.shelf.sent if topic == PLACE.topic]
        messages = [parse_input(value, FINGERPRINT) for value in values]
        return [message for message in messages if isinstance(message, Admission)]

    async def decided(self, count: int) -> Admission:
        async with asyncio.timeout(60):
            while len(self.admissions()) < count:
                await asyncio.sleep(0.001)
        return self.admissions()[-1]

    async def take(self, *messages: InputMessage) -> None:
        values = [encode_input(message, FINGERPRINT) for message in messages]
        offsets = np.arange(self.taken, self.taken + len(values))
        async for _ in self.role.take(PLACE, Batch(offsets, values)):
            pass
        self.taken += len(values)


def test_a_window_is_sent_its_answer_awaited_decided_and_read_back(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Asked(shelf, 60.0)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 1))
        assert [record["bin"] for record in shelf.values("windows")] == [FIRST_BIN]
        assert shelf.values("predictions") == []
        live.answer(answer(FIRST_BIN, len(CELLS)))
        admission = await live.decided(1)
        assert admission.said is not None
        assert shelf.values("predictions") == []
        await live.take(admission)
        assert len(shelf.values("windows")) == 1
        cells = [r for r in shelf.values("predictions") if r["region"] in "abcde"]
        said = {record["series"]: record["weights"]["deep"] for record in cells}
        assert said["value"] == [0.0, 0.0, 0.0]
        assert min(said["demand"]) > 0.0
        live.role._admitter.stop()

    asyncio.run(whole())


def test_a_forecast_leaves_without_a_model_that_is_late(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Asked(shelf, 0.05)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 2))
        await live.take(await live.decided(1))
        await live.take(await live.decided(2))
        assert [(a.origin_bin, a.said) for a in live.admissions()] == [
            (FIRST_BIN, None),
            (FIRST_BIN + 1, None),
        ]
        assert [record["bin"] for record in shelf.values("windows")] == [FIRST_BIN, FIRST_BIN + 1]
        assert all("deep" not in r["weights"] for r in shelf.values("predictions"))
        assert len({r["origin"] for r in shelf.values("predictions")}) == 2
        await live.role.idle()
        live.role._admitter.stop()

    asyncio.run(whole())


def test_no_checkpoint_holds_a_bin_that_is_open_and_a_restarted_worker_asks_again(
    shelf: Shelf,
) -> None:
    async def whole() -> None:
        live, other = Asked(shelf, 60.0), Asked(shelf, 60.0)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 1))
        assert await (await live.role.checkpoint()) == {}
        live.role._admitter.stop()
        await other.role.open([PLACE])
        await other.take(LISTED, *bins(0, 1))
        other.answer(answer(FIRST_BIN, len(CELLS)))
        await other.take(await other.decided(1))
        assert await (await other.role.checkpoint()) == {PLACE: other.taken}
        other.role._admitter.stop()

    asyncio.run(whole())
