"""What a sender promises of the records it was given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tidecast.streams.sender import Sender


class Broker:
    """Acknowledges a record when it is told to."""

    def __init__(self) -> None:
        self.producer = self
        self.promises: list[asyncio.Future[Any]] = []

    async def send(self, *_: Any) -> asyncio.Future[Any]:
        self.promises.append(asyncio.get_running_loop().create_future())
        return self.promises[-1]


def test_what_is_sent_later_is_not_waited_for() -> None:
    async def work() -> None:
        broker = Broker()
        sender = Sender(broker)
        await sender.send("t", b"1")
        delivered = sender.delivered()
        await sender.send("t", b"2")
        broker.promises[0].set_result(None)
        await delivered
        later = asyncio.ensure_future(sender.delivered())
        await asyncio.sleep(0.01)
        assert not later.done()
        broker.promises[1].set_result(None)
        await later

    asyncio.run(work())


def test_a_record_that_the_broker_refuses_is_an_error() -> None:
    async def work() -> None:
        broker = Broker()
        sender = Sender(broker)
        for number in range(3):
            await sender.send("t", b"%d" % number)
        broker.promises[0].set_result(None)
        broker.promises[1].set_exception(ConnectionError("refused"))
        with pytest.raises(ConnectionError, match="refused"):
            await sender.delivered()

    asyncio.run(work())
