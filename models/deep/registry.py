"""The registry: a folder of models, one of which is the champion that answers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tidecast.models.deep.folder import COMPLETE, list_models, load_model
from tidecast.state.errors import CheckpointError, SettingsError
from tidecast.state.settings.base import Frozen

__all__ = ["LineUp", "Registry", "Role", "Standing"]

FILE, LOCK = "registry.json", ".registry.lock"
MOST_CHALLENGERS = 2
"""That run beside the champion at a time."""

Role = Literal["champion", "challenger", "former", "rejected"]


class Standing(Frozen):
    """Who answers: the ``champion``, those ``before`` it (last the latest), those ``rejected``."""

    format: Literal[1] = 1
    champion: str | None = None
    before: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()

    def promoted(self, name: str) -> Standing:
        """Return the standing after ``name`` has taken the champion's place."""
        if name == self.champion:
            return self
        before = tuple(n for n in self.before if n != name)
        return Standing(
            champion=name,
            before=before if self.champion is None else (*before, self.champion),
            rejected=tuple(n for n in self.rejected if n != name),
        )

    def rolled_back(self) -> Standing:
        """Return the standing after the one before has come back; the champion is rejected.

        Raises
        ------
        CheckpointError
            When none was before.
        """
        if self.champion is None or not self.before:
            raise CheckpointError("no champion was before this one: promote another model")
        return Standing(
            champion=self.before[-1],
            before=self.before[:-1],
            rejected=(*self.rejected, self.champion),
        )

    def role(self, name: str) -> Role:
        """Return what ``name`` is."""
        if name == self.champion:
            return "champion"
        if name in self.rejected:
            return "rejected"
        return "former" if name in self.before else "challenger"


@dataclass(frozen=True)
class LineUp:
    """Who runs beside the champion: its challengers, and the champion before it."""

    champion: str
    challengers: tuple[str, ...]
    former: str | None


class Registry:
    """Models as folders of ``root``; the standing is one file, replaced whole.

    Who answers reads `standing` again from time to time: a swap is seen as soon as it is made,
    and never half of it. Folders that are not whole are not seen.

    Raises
    ------
    SettingsError
        When ``root`` is itself a model.
    """

    def __init__(self, root: Path) -> None:
        if (root / COMPLETE).is_file():
            raise SettingsError(
                f"{root} is a model itself: name the folder it is in, {root.parent}"
            )
        self.root = root

    def names(self) -> tuple[str, ...]:
        """Return the names of all whole models."""
        return tuple(path.name for path in list_models(self.root))

    def folder(self, name: str) -> Path:
        """Return the folder of a model.

        Raises
        ------
        CheckpointError
            When there is no whole one of that name.
        """
        if name not in self.names():
            raise CheckpointError(
                f"{self.root} holds no whole model {name!r}: there are "
                f"{', '.join(self.names()) or 'none'}"
            )
        return self.root / name

    def seal(self, name: str) -> bytes | None:
        """Return what tells a model from another of its name; None where it is not whole."""
        try:
            return (self.root / name / COMPLETE).read_bytes()
        except OSError:
            return None

    def challengers(self) -> tuple[str, ...]:
        """Return the names of models that were neither champion nor rejected."""
        standing = self.standing()
        return tuple(name for name in self.names() if standing.role(name) == "challenger")

    def candidates(self) -> tuple[str, ...]:
        """Return who may answer, best first: the champion and those before, or the last by name.

        Raises
        ------
        CheckpointError
            When the file that tells who is champion is damaged.
        """
        standing = self.standing()
        if standing.champion is not None:
            return standing.champion, *reversed(standing.before)
        names = (name for name in self.names() if name not in standing.rejected)
        return tuple(names)[::-1]

    def line_up(self) -> LineUp | None:
        """Return who is to be judged; None where there is no champion, or nobody beside it.

        Of many challengers the last two by name are.
        """
        standing = self.standing()
        if standing.champion is None:
            return None
        challengers = self.challengers()[-MOST_CHALLENGERS:]
        former = next(iter(standing.before[-1:]), None)
        if not challengers and former is None:
            return None
        return LineUp(standing.champion, challengers, former)

    def standing(self) -> Standing:
        """Return who answers now.

        Raises
        ------
        CheckpointError
            When the file that tells it is damaged.
        """
        path = self.root / FILE
        try:
            return Standing.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Standing()
        except (OSError, ValidationError) as error:
            raise CheckpointError(
                f"{path} cannot be read: {error}; remove it, and promote a model"
            ) from error

    def promote(self, name: str, champion: str | None = None) -> Standing:
        """Make ``name`` the champion, once it is proven whole; only after ``champion``, if given.

        Raises
        ------
        CheckpointError
            When it cannot be loaded.
        """
        load_model(self.folder(name))
        with self._alone():
            standing = self.standing()
            if champion is not None and champion != standing.champion:
                return standing
            return self._write(standing.promoted(name))

    def roll_back(self, champion: str | None = None) -> Standing:
        """Bring back the champion before; only from ``champion``, where given.

        Raises
        ------
        CheckpointError
            When none was before, or it is no longer whole.
        """
        with self._alone():
            standing = self.standing()
            if champion is not None and champion != standing.champion:
                return standing
            found = standing.rolled_back()
            load_model(self.folder(str(found.champion)))
            return self._write(found)

    def reject(self, name: str) -> Standing:
        """Let ``name`` be no challenger any more."""
        with self._alone():
            standing = self.standing()
            if standing.role(name) != "challenger":
                return standing
            rejected = (*standing.rejected, name)
            return self._write(standing.model_copy(update={"rejected": rejected}))

    def _write(self, standing: Standing) -> Standing:
        fresh = self.root / f".{FILE}.new"
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(standing.model_dump_json(indent=1) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.root / FILE)
        except OSError as error:
            raise CheckpointError(f"{fresh} cannot be written: {error.strerror}") from error
        return standing

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off others that change the standing."""
        path = self.root / LOCK
        try:
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise CheckpointError(f"{path} cannot be written: {error.strerror}") from error
