"""All peers by name."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

from tidecast.models.peers.boosted import Boosted
from tidecast.models.peers.methods import METHODS
from tidecast.models.peers.peer import Peer, PeerTask
from tidecast.models.peers.univariate import Univariate
from tidecast.state.errors import SettingsError

__all__ = ["PEERS", "check_installed", "make_peer"]

PEERS = (*METHODS, "LightGBM")
"""Names of the peers, in the order of tables."""


def make_peer(name: str, task: PeerTask) -> Peer:
    """Return a peer that knows nothing yet."""
    if name not in METHODS:
        return Boosted(task)
    return Univariate(partial(METHODS[name], task), task)


def check_installed() -> None:
    """Look for what the peers need.

    Raises
    ------
    SettingsError
        When it is not installed.
    """
    if find_spec("statsforecast") is None:
        raise SettingsError(
            'the peers are those of statsforecast, which is missing: pip install "tidecast[peers]"'
        )
