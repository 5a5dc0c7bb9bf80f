"""The broker that a benchmark runs on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tidecast.tools.services import Endpoints, running_services

__all__ = ["broker"]


@contextmanager
def broker() -> Iterator[str]:
    """Yield the address that TIDECAST_KAFKA__BOOTSTRAP names, or start a broker for the run."""
    given = Endpoints.given_by().kafka
    if given is not None:
        yield given.bootstrap
        return
    with (
        tempfile.TemporaryDirectory(prefix="tidecast-bench-") as folder,
        running_services(
            ("kafka",), folder=Path(folder), report=lambda said: click.echo(said, err=True)
        ) as endpoints,
    ):
        if endpoints.kafka is None:
            raise RuntimeError("running_services gave no broker though it was asked for one")
        yield endpoints.kafka.bootstrap
