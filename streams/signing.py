"""Signatures of checkpoints: who has no key can neither forge one nor change one.

A manifest names the digest of its chunks, so what signs the manifest signs the whole state.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import orjson

from tidecast.state.settings import CheckpointsSettings
from tidecast.streams.secrets import revealed

__all__ = ["UNSIGNED", "Signing"]

NO_KEY = "it is signed, and no key is set: set TIDECAST_CHECKPOINTS__KEY"
NO_SIGNATURE = (
    "it is not signed, and a key is set: where your own workers wrote it before they had one, set "
    "TIDECAST_CHECKPOINTS__FORMER_KEY, empty, for one start"
)
OTHER_KEY = (
    "it was signed with another key: mend TIDECAST_CHECKPOINTS__KEY or, after a change of keys, "
    "set TIDECAST_CHECKPOINTS__FORMER_KEY to the one before"
)


class Signing:
    """The key that signs what is written, and those that what is read may be signed with.

    An empty key stands for no signature: checkpoints are then signed and accepted without.
    """

    def __init__(self, settings: CheckpointsSettings) -> None:
        former = [] if settings.former_key is None else [settings.former_key]
        self._key = settings.key
        self._accepted = [settings.key, *former]

    @property
    def has_key(self) -> bool:
        """Tell whether any signature can be checked."""
        return any(secret.get_secret_value() for secret in self._accepted)

    def signed(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a manifest says, and the signature of that where there is a key."""
        key = revealed(self._key)
        return {**said, "signature": _signature(said, key)} if key else dict(said)

    def complaint(self, said: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the signature of a manifest, None where nothing is.

        What is wrong, a colon, and what to do.
        """
        rest = {name: said[name] for name in said if name not in ("signature", "seal")}
        found, keys = said.get("signature"), [revealed(secret) for secret in self._accepted]
        if found is None:
            return None if "" in keys else NO_SIGNATURE
        if not self.has_key:
            return NO_KEY
        fits = [_is_same(found, _signature(rest, key)) for key in keys if key]
        return None if any(fits) else OTHER_KEY


def _signature(said: Mapping[str, Any], key: str) -> str:
    """Return the HMAC of all that a manifest says, however it is spaced and ordered."""
    text = orjson.dumps(dict(said), option=orjson.OPT_SORT_KEYS)
    return hmac.new(key.encode(), text, "sha256").hexdigest()


def _is_same(found: object, wanted: str) -> bool:
    return hmac.compare_digest(str(found).encode(), wanted.encode())


UNSIGNED = Signing(CheckpointsSettings())
