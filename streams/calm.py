"""A filter that lets a client library complain now and then instead of on every try."""

from __future__ import annotations

import logging
import time

__all__ = ["Calm", "calm_down"]

LIBRARY = "aiokafka"
EVERY_SECONDS = 30.0


class Calm(logging.Filter):
    """Lets the same complaint of one library pass once in ``EVERY_SECONDS``.

    A broker that is away makes aiokafka log a hundred lines a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}
        self._held_back = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may pass; say how many were held back before it."""
        if record.name.partition(".")[0] != LIBRARY:
            return True
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
            self._held_back += 1
            return False
        self._said[key] = now
        if self._held_back:
            record.msg = f"{record.msg} (and {self._held_back} lines more, not shown)"
            self._held_back = 0
        return True


def calm_down() -> None:
    """Let the library speak on every handler there is, but seldom."""
    library = logging.getLogger(LIBRARY)
    if library.level > logging.WARNING:
        library.setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Calm())
