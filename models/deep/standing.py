"""Standing: which model of a registry answers, which did before it, which were rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidecast.state.errors import CheckpointError
from tidecast.state.settings.base import Frozen

__all__ = ["LineUp", "Role", "Standing"]

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
