"""The registry: a folder of models, one of which is the champion that answers."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from tidecast.models.deep.folder import COMPLETE, list_models, load_model
from tidecast.models.deep.standing import LineUp, Standing
from tidecast.models.deep.writing import put, writing
from tidecast.state.errors import CheckpointError, SettingsError

__all__ = ["Registry"]

FILE, LOCK = "registry.json", ".registry.lock"
MOST_CHALLENGERS = 2
"""That run beside the champion at a time."""


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
        put(self.root / FILE, (standing.model_dump_json(indent=1) + "\n").encode())
        return standing

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off others that change the standing."""
        path = self.root / LOCK
        with writing(path), path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
