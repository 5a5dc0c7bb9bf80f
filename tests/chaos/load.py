"""The load, a process of its own: ``python load.py BOOTSTRAP PREFIX SEED RATE`` until SIGTERM.

It keeps to the clock, catches up after an outage of the broker, and at the end tells every source
partition that its log ends here.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from shop import PARTITIONS, Event, Shop

from tidecast.state.cuts import END_OF_LOG

TICK_SECONDS = 0.1
MOST_AT_ONCE = 20_000


class Load:
    """Sends a shop's records by the clock."""

    def __init__(self, producer: Any, prefix: str, seed: int, rate: int) -> None:
        self._producer = producer
        self._prefix = prefix
        self._shop = Shop(seed)
        self._rate = rate
        self.sent = 0
        self.should_stop = False

    async def run(self) -> None:
        """Send until told to stop, then end every log."""
        began = time.time()
        while not self.should_stop:
            due = min(int((time.time() - began) * self._rate) - self.sent, MOST_AT_ONCE)
            if due > 0:
                # Of the time at which it was due: an outage delays records, not what they tell of.
                now = began + (self.sent + due) / self._rate
                await self._deliver(self._shop.events(int(now * 1e6), due))
                self.sent += due
            await asyncio.sleep(TICK_SECONDS)
        ends = [Event(s, p, END_OF_LOG) for s, n in PARTITIONS.items() for p in range(n)]
        await self._deliver(ends)

    async def _deliver(self, events: Iterable[Event]) -> None:
        by_place: dict[tuple[str, int], list[bytes]] = {}
        for event in events:
            by_place.setdefault((event.source, event.partition), []).append(event.value)
        await asyncio.gather(*(self._send(*place, v) for place, v in by_place.items()))

    async def _send(self, source: str, partition: int, values: list[bytes]) -> None:
        """Send records of one partition, again and again until the broker has them."""
        rest = values
        while rest:
            batch, taken = self._producer.create_batch(), 0
            for value in rest:
                if batch.append(key=None, value=value, timestamp=None) is None:
                    break
                taken += 1
            batch.close()
            try:
                topic = f"{self._prefix}{source}"
                await (await self._producer.send_batch(batch, topic, partition=partition))
            except KafkaError:
                await asyncio.sleep(1.0)  # it may have arrived: a duplicate then, as in life
            else:
                rest = rest[taken:]


async def main(bootstrap: str, prefix: str, seed: str, rate: str) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=512 * 1024, request_timeout_ms=10_000
    )
    await producer.start()
    try:
        load = Load(producer, prefix, int(seed), int(rate))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: setattr(load, "should_stop", True))
        await load.run()
        print(load.sent, flush=True)
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
