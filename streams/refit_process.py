"""Fits in a process of their own: rows in by standard input, artifacts out by standard output.

A fit takes seconds of a core, and LightGBM is C++: neither shall hold up or end a worker. A process
fits once, at a lower priority, and ends; one whose worker has died ends with its answer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import orjson

from tidecast.models.periodic.artifact import fit
from tidecast.models.periodic.examples import TrainingRows
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.errors import ServiceError
from tidecast.state.scopes import nested, scoped

__all__ = ["fit_apart"]

LOWER_PRIORITY = 5


async def fit_apart(rows: Sequence[TrainingRows]) -> tuple[bytes, ...]:
    """Return the artifact of each series' rows; the process is killed where this is cancelled.

    Raises
    ------
    ServiceError
        When the process cannot be started, or fails.
    """
    packed = await asyncio.to_thread(_packed, rows)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the worker, which ends its fits itself
        )
    except OSError as error:
        raise ServiceError(f"no process to fit in can be started: {error}") from error
    try:
        answer, _ = await process.communicate(packed)
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise ServiceError(f"the process that fits has ended with code {process.returncode}")
    return tuple(text.encode("ascii") for text in orjson.loads(answer))


def _packed(rows: Sequence[TrainingRows]) -> bytes:
    arrays = nested({str(number): vars(of_series) for number, of_series in enumerate(rows)})
    return pack({"series": len(rows)}, arrays)


def _unpacked(data: bytes) -> list[TrainingRows]:
    values, arrays = unpack(data)
    return [TrainingRows(**scoped(arrays, str(number))) for number in range(values["series"])]


def main() -> None:
    """Fit to the rows on standard input."""
    os.nice(LOWER_PRIORITY)
    artifacts = [fit(rows).decode("ascii") for rows in _unpacked(sys.stdin.buffer.read())]
    sys.stdout.buffer.write(orjson.dumps(artifacts))


if __name__ == "__main__":
    main()
