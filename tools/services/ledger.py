"""What we started and must stop: `state.json` in the services folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidecast.state.errors import ServiceError
from tidecast.tools.services.endpoints import Endpoint, Part
from tidecast.tools.services.process import OwnProcess

__all__ = ["Ledger", "StartedPart", "default_folder", "locked"]


class StartedPart(BaseModel):
    """One part we started: by which way, where it answers, its process if it is ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    way: Literal["docker", "local"]
    endpoint: Endpoint
    process: OwnProcess | None = None


class Ledger(BaseModel):
    """All parts we started from one folder."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    parts: dict[Part, StartedPart] = Field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Ledger:
        """Read `state.json` of the folder; an absent one is an empty ledger.

        Raises
        ------
        ServiceError
            When the file is not ours to read.
        """
        path = folder / "state.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except (OSError, ValidationError) as problem:
            raise ServiceError(
                f"{path} cannot be read ({type(problem).__name__}); stop the servers it speaks of"
                f" by hand and remove {folder}"
            ) from problem

    def write(self, folder: Path) -> None:
        """Write `state.json` whole or not at all; it holds a password, so only for its owner."""
        draft = folder / "state.json.draft"
        draft.touch(mode=0o600)
        draft.write_text(self.model_dump_json(indent=2))
        draft.replace(folder / "state.json")


def default_folder() -> Path:
    """Return `TIDECAST_SERVICES_DIR`, or `.tidecast/services` below the current folder."""
    return Path(os.environ.get("TIDECAST_SERVICES_DIR") or ".tidecast/services").resolve()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder alone, against other processes; make it if it is not there.

    Raises
    ------
    ServiceError
        When the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as problem:
        raise ServiceError(
            f"{folder} cannot be written to ({problem.strerror}); set TIDECAST_SERVICES_DIR"
            " (servers and their data) and XDG_CACHE_HOME (downloads) to folders of yours"
        ) from problem
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
