"""A peer in a process of its own, which can be ended when it takes too long."""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from tidecast.models.peers.peer import Floats, Peer, PeerStopped

__all__ = ["PeerProcess"]


class PeerProcess:
    """Runs the peer that ``make`` gives, in a process that is started when it is first asked.

    Nothing else ends a fit of foreign code that takes hours. The process does not outlive ours.
    """

    def __init__(self, name: str, make: Callable[[], Peer]) -> None:
        self.name = name
        self._make = make
        self._process: SpawnProcess | None = None
        self._connection: Connection[Any, Any] | None = None

    def fit(self, history: Floats, within: float) -> int:
        """See `Runner.fit`."""
        return int(self._ask("fit", history, within))

    def forecast(self, since: Floats, within: float) -> Floats:
        """See `Runner.forecast`."""
        said: Floats = self._ask("forecast", since, within)
        return said

    def _ask(self, question: str, values: Floats, within: float) -> Any:
        connection = self._connection or self._start()
        try:
            connection.send((question, values))
            if not connection.poll(max(within, 0.0)):
                raise PeerStopped("timed out")
            return connection.recv()
        except (EOFError, ConnectionError) as error:
            raise PeerStopped("ended by itself") from error
        except PeerStopped:
            self.close()
            raise

    def _start(self) -> Connection[Any, Any]:
        spawn = multiprocessing.get_context("spawn")  # forked, libraries with threads may hang
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self._make), daemon=True)
        self._process.start()
        theirs.close()
        return self._connection

    @property
    def is_alive(self) -> bool:
        """Whether it waits for a question, or works at one."""
        return self._process is not None and self._process.is_alive()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _serve(connection: Connection[Any, Any], make: Callable[[], Peer]) -> None:
    """Answer questions until there is nobody who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends us
    warnings.simplefilter("ignore")
    peer = make()
    while True:
        try:
            question, values = connection.recv()
        except EOFError:
            return
        connection.send(peer.fit(values) if question == "fit" else peer.forecast(values))
