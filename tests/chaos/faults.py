"""The faults, and the seeded schedule that draws them."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet import Fleet
from kafka import KafkaProducer
from servers import Servers
from shop import PARTITIONS, YEAR, Shop

__all__ = ["FREEZE_SECONDS", "Fault", "Faults"]

FREEZE_SECONDS = 20.0
SCALED_SECONDS = 20.0
AWAY_SECONDS = 30.0
ROLES = ("ingest", "forecast", "sink")
SENDS_TO = {"poison": "broker", "a year ahead": "broker"}
POISON = (b"{poison", b"\x00\xff", b'{"schema_version":1}')


@dataclass(frozen=True)
class Fault:
    """Something done to the pipeline, to whom, and when: Unix seconds; ``role`` of a worker."""

    kind: str
    target: str
    began: float
    over: float
    role: str | None = None


class Faults:
    """Draws faults by a seed, and does them beside each other; a server has one at a time."""

    def __init__(
        self, seed: int, fleet: Fleet, servers: Servers, clicks: str, outputs: Sequence[str]
    ) -> None:
        self._random = random.Random(seed)
        self._fleet = fleet
        self._servers = servers
        self._clicks = clicks  # their topic
        self._outputs = outputs
        self._turns = {"broker": threading.Lock(), "ClickHouse": threading.Lock()}
        self._server = {"broker": servers.kafka, "ClickHouse": servers.clickhouse}
        self._running: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._bag: list[tuple[str, str]] = []
        self.done: list[Fault] = []

    def strike(self) -> str:
        """Begin the next fault; every kind comes once before any comes again."""
        if not self._bag:
            self._bag = [(verb, who) for verb in ("kill", "freeze") for who in ROLES]
            self._bag += [(verb, who) for verb in ("kill", "freeze") for who in self._server]
            self._bag += [("scale", "ingest"), ("poison", "sink"), ("a year ahead", "client")]
            self._random.shuffle(self._bag)
        verb, who = self._bag.pop()
        thread = threading.Thread(target=self._do, args=(verb, who, self._random.random()))
        thread.start()
        self._running.append(thread)
        return f"{verb} {who}"

    def settle(self) -> None:
        """Wait until every fault is over; raise what went wrong in doing them."""
        for thread in self._running:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _do(self, verb: str, who: str, chance: float) -> None:
        acts: dict[str, Callable[[str, float], str]] = {
            "scale": self._scale,
            "poison": self._poison,
            "a year ahead": self._jump,
            "kill": self._kill_server if who in self._server else self._kill,
            "freeze": self._freeze_server if who in self._server else self._freeze,
        }
        try:
            with self._turns.get(SENDS_TO.get(verb, who), threading.Lock()):
                began = time.time()
                target = acts[verb](who, chance)
            kind = f"{verb} {who}"
            if verb == "kill" and who in ROLES and _stays_away(chance):
                kind += f", away {AWAY_SECONDS:.0f} s"
            role = who if verb in ("kill", "freeze") and who in ROLES else None
            self.done.append(Fault(kind, target, began, time.time(), role))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: raised by settle
            self._errors.append(error)

    def _kill(self, role: str, chance: float) -> str:
        slot = self._fleet.pick(role, chance)
        if slot is None:
            return "nobody was up"
        self._fleet.kill(slot, away_seconds=AWAY_SECONDS if _stays_away(chance) else 0.0)
        return slot.title

    def _freeze(self, role: str, chance: float) -> str:
        slot = self._fleet.pick(role, chance)
        if slot is None:
            return "nobody was up"
        self._fleet.freeze(slot, FREEZE_SECONDS)
        return slot.title

    def _kill_server(self, name: str, chance: float) -> str:
        self._server[name].kill()
        time.sleep(1.0 if chance < 0.5 else 15.0)
        self._server[name].start_again()
        return name

    def _freeze_server(self, name: str, chance: float) -> str:
        self._server[name].signal(signal.SIGSTOP)
        time.sleep(FREEZE_SECONDS)
        self._server[name].signal(signal.SIGCONT)
        return name

    def _scale(self, role: str, chance: float) -> str:
        """Go from one worker to three, and back."""
        added = [self._fleet.add(role, name) for name in ("b", "c")]
        time.sleep(SCALED_SECONDS)
        for slot in added:
            self._fleet.remove(slot)
        return "1 -> 3 -> 1"

    def _jump(self, client: str, chance: float) -> str:
        """Send a thousand records, one after another, by a clock that is a year ahead."""
        shop = Shop(int(chance * 2**32))
        partition = int(chance * PARTITIONS["clicks"])
        producer = KafkaProducer(bootstrap_servers=self._servers.bootstrap)
        try:
            for _ in range(1_000):
                now_us = int(time.time() * 1e6) + YEAR
                producer.send(self._clicks, shop.valid("clicks", now_us), partition=partition)
                time.sleep(0.01)
            producer.flush(60)
        finally:
            producer.close()
        return f"{self._clicks}/{partition}"

    def _poison(self, role: str, chance: float) -> str:
        """Write to the sink's topics what is no record of theirs."""
        producer = KafkaProducer(bootstrap_servers=self._servers.bootstrap)
        try:
            for topic in self._outputs:
                producer.send(topic, POISON[int(chance * len(POISON))])
            producer.flush(60)
        finally:
            producer.close()
        return ", ".join(self._outputs)


def _stays_away(chance: float) -> bool:
    """Tell whether a worker that is killed is started again only later."""
    return chance >= 0.7
