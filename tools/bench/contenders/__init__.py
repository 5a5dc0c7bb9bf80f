"""The contenders, one module and one process each; the same windowed sum in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

__all__ = ["CONTENDERS", "OURS", "Contender"]

OURS = "tidecast"


@dataclass(frozen=True)
class Contender:
    """One contender: the packages it needs, and how its topic must be.

    A ``slow`` one reads a tenth of the records; a ``keyed`` one needs records keyed by cell, as
    its windows belong to keys; a ``counts_only`` one writes nothing.
    """

    name: str
    needs: tuple[str, ...] = ()
    slow: bool = False
    keyed: bool = False
    counts_only: bool = False

    @property
    def module(self) -> str:
        """The module to run."""
        return f"{__name__}.{self.name.replace('-', '_')}"

    def missing(self) -> list[str]:
        """Return the packages that are not installed."""
        return [package for package in self.needs if find_spec(package) is None]


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("fetch", counts_only=True),
        Contender(OURS),
        Contender("tidecast-windows"),
        Contender("faust", slow=True),
        Contender("quix", needs=("quixstreams",), slow=True, keyed=True),
        Contender("bytewax", needs=("bytewax", "confluent_kafka"), slow=True),
        Contender("pathway", needs=("pathway",)),
    )
}
"""All contenders, by name, in the order of the table."""
