"""Rolling restarts: one worker after another ends in peace and is started again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice, pairwise

import orjson
from outputs import read_topic
from pipeline import Pipeline

__all__ = ["Gaps", "measure", "roll"]

PAUSE_SECONDS = 5.0  # between the end of one restart and the next


@dataclass
class Gaps:
    """How predictions followed each other: bins without any, and the longest wait in seconds."""

    bin_seconds: int
    origins: int
    skipped: int
    longest: float

    def __str__(self) -> str:
        return (
            f"{self.origins} origins of {self.bin_seconds} s, {self.skipped} without predictions; "
            f"at most {self.longest:.1f} s from one to the next"
        )

    @property
    def held(self) -> bool:
        """Tell whether no more than one bin went by without its predictions."""
        return self.skipped == 0 and self.longest <= 2 * self.bin_seconds


def roll(line: Pipeline, times: int) -> None:
    """Restart the workers one after another, so many times in all."""
    for number, slot in enumerate(islice(cycle(list(line.fleet.slots.values())), times), 1):
        began = time.monotonic()
        starts, code = slot.starts, line.fleet.end(slot)
        while slot.starts == starts:
            line.check()
            time.sleep(0.1)
        spent = time.monotonic() - began
        print(f"restart {number}: {slot.title} ended with {code}, back {spent:.1f} s later")
        time.sleep(PAUSE_SECONDS)


def measure(line: Pipeline) -> Gaps:
    """Return how the predictions of successive origins followed each other."""
    first: dict[datetime, float] = {}
    for record in read_topic(line.up.bootstrap, line.topics.predictions):
        origin = datetime.fromisoformat(orjson.loads(record.value)["origin"])
        first.setdefault(origin, record.timestamp / 1000)
    width = line.settings.bins.width // 1_000_000
    origins = sorted(first)
    whole = (origins[-1] - origins[0]).total_seconds() / width + 1
    waits = [first[after] - first[before] for before, after in pairwise(origins)]
    return Gaps(width, len(origins), round(whole) - len(origins), max(waits))
