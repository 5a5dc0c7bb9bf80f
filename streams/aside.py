"""A command in a process of its own: what it prints is heard, and it ends when we do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from tidecast.state.errors import ServiceError

__all__ = ["run_aside"]

READ_BYTES = 65536


async def run_aside(command: Sequence[str], hear: Callable[[bytes], None]) -> None:
    """Run ``command`` until it ends; each line of its standard output is heard.

    Its standard input is a pipe that nobody writes to: it is closed when our process ends, however
    that comes, and is the command's lifeline. The command is killed where this is cancelled.

    Raises
    ------
    ServiceError
        When it cannot be started, or fails.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us, who end it ourselves
        )
    except OSError as error:
        raise ServiceError(f"{command[0]} cannot be started: {error}") from error
    try:
        if process.stdout is not None:
            async for line in _lines(process.stdout):
                hear(line)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if code:
        raise ServiceError(f"the process has ended with code {code}")


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines as they come, however long: those that a stream makes itself are not."""
    begun = b""
    while read := await stream.read(READ_BYTES):
        *whole, begun = (begun + read).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if begun:
        yield begun
