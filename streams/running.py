"""Runs a worker as a supervisor expects: it stops when asked, in time, with a code that tells why.

The first SIGTERM or SIGINT takes a last checkpoint, commits it and leaves, within STOP_SECONDS
whatever hangs; a second one leaves at once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any, NoReturn

import faust
from aiokafka.errors import KafkaError as ClientError
from faust.exceptions import ProducerSendError
from kafka.errors import KafkaError

from tidecast.state.errors import ServiceError, TidecastError
from tidecast.streams.calm import calm_down

__all__ = ["STOP_SECONDS", "run_worker"]

logger = logging.getLogger(__name__)
STOP_SECONDS = 10.0
CHECKPOINT_SECONDS = 6.0
BY_SIGNAL = 128  # shells report a process that a signal ended by this plus the signal's number
LOST = (ClientError, KafkaError, ProducerSendError, ConnectionError)


def run_worker(app: Any) -> NoReturn:
    """Run ``app`` until it is stopped, and end the process; logging is set up by the caller.

    Raises
    ------
    TidecastError
        What the worker failed of; ``ServiceError`` where it lost the broker for good.
    """
    calm_down()
    worker = RoleWorker(app)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        failure = worker.failure()
        if failure is not None:
            raise failure from None
        if ended.code:
            raise
    _leave(0)  # taking the interpreter apart can take seconds, and saves nothing


class RoleWorker(faust.Worker):  # type: ignore[misc]
    """Faust's worker, with an end that is bounded, and without its own logging."""

    def __init__(self, app: Any) -> None:
        super().__init__(app, redirect_stdouts=False, quiet=True, override_logging=False)
        self.spinner = None

    def failure(self) -> Exception | None:
        """Return what the worker failed of, in our own words where there are some."""
        failure: Exception | None = self.app.failure or self.crash_reason
        if isinstance(failure, LOST):
            return ServiceError(
                f"the Kafka broker was lost for too long ({failure!r}): see that it runs; the "
                "worker goes on from its last checkpoint when it is started again"
            )
        return failure

    def on_worker_shutdown(self) -> None:
        """Bound the time of leaving also where Faust itself gave up."""
        self._leave_in_time()
        super().on_worker_shutdown()

    def _on_sigint(self) -> None:
        self._asked(signal.SIGINT)

    def _on_sigterm(self) -> None:
        self._asked(signal.SIGTERM)

    def _asked(self, number: signal.Signals) -> None:
        if self._signal_stop_time:
            logger.warning("asked to stop again: leaving at once")
            _leave(BY_SIGNAL + number)
        self._leave_in_time()
        self._schedule_shutdown(number)

    async def _stop_on_signal(self, number: signal.Signals) -> None:
        await self.app.shell.finish(CHECKPOINT_SECONDS)
        await super()._stop_on_signal(number)

    def _leave_in_time(self) -> None:
        timer = threading.Timer(STOP_SECONDS, self._late)
        timer.daemon = True
        timer.start()

    def _late(self) -> None:
        failure = self.failure()
        logger.warning("not everything has ended within %.0f s: leaving it", STOP_SECONDS)
        if failure is None:
            _leave(0)
        sys.stderr.write(f"tidecast: {failure}\n")
        _leave(failure.exit_code if isinstance(failure, TidecastError) else 1)


def _leave(code: int) -> NoReturn:
    logging.shutdown()
    os._exit(code)
