"""Checkpoints as records of a topic, and back: no broker, and never wrong, whatever the records.

A checkpoint is chunks of bytes, keyed "owner/id/number", and after them a manifest, keyed "owner".
The manifest carries the digest of the bytes, and a seal over all that it says itself: they find
damage. Where there is a key, its signature finds those that others wrote.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from tidecast.state.errors import CheckpointError
from tidecast.streams.schemas.checkpoints import CheckpointManifest
from tidecast.streams.signing import UNSIGNED, Signing

__all__ = ["KEEP", "Checkpoint", "Kept", "Shelf", "to_records"]

logger = logging.getLogger(__name__)
CHUNK_BYTES = 512 * 1024
KEEP = 2
UNFINISHED = 4  # sets of chunks without a manifest that are kept in memory
NONE_FOREIGN = (-1, "")  # its position, and why it is not ours to read
VERSION = 2  # of manifests; those of version 1 had no seal
OTHER_SETTINGS = (
    "the checkpoint of {owner} was made under other settings ({theirs}, now {ours}): go back to "
    "those settings, carry the state over with `tidecast migrate`, or choose another "
    "kafka.topic_prefix to start afresh"
)
OTHER_VERSION = (
    "the checkpoint of {owner} was written by another version of tidecast (manifest version "
    "{theirs}, this one reads {ours}): run the version that wrote it, or choose another "
    "kafka.topic_prefix to start afresh"
)
ALL_DAMAGED = (
    "every checkpoint of {owner} is damaged (the last: {reason}): bring the checkpoints topic "
    "back from a copy, or choose another kafka.topic_prefix to start afresh"
)
REFUSED = (
    "no checkpoint of {owner} can be trusted (the last: {reason}), or choose another "
    "kafka.topic_prefix to start afresh"
)


@dataclass(frozen=True)
class Checkpoint:
    """A state, and the offset of the input that goes on from it."""

    position: int
    data: bytes


@dataclass(frozen=True, order=True)
class Kept:
    """A whole checkpoint on the shelf: the larger is the better one.

    ``manifest`` and ``start`` are the offsets of its manifest and of its first chunk.
    """

    position: int
    manifest: int
    start: int


@dataclass
class Chunks:
    """What has come of a checkpoint whose manifest has not."""

    start: int
    parts: dict[int, bytes] = field(default_factory=dict)


def to_records(
    owner: str, settings: str, checkpoint: Checkpoint, signing: Signing = UNSIGNED
) -> list[tuple[bytes, bytes]]:
    """Return (key, value) of the chunks of a checkpoint and, at the end, of its manifest.

    The manifest may only be sent once all chunks are acknowledged.
    """
    data = checkpoint.data
    digest = _digest(data)
    identity = f"{checkpoint.position}-{digest[:12]}"
    starts = range(0, max(len(data), 1), CHUNK_BYTES)
    head = {
        "schema_version": VERSION,
        "owner": owner,
        "id": identity,
        "position": checkpoint.position,
        "settings": settings,
        "chunks": len(starts),
        "size": len(data),
        "sha256": digest,
    }
    said = signing.signed(head)
    manifest = orjson.dumps(said | {"seal": _seal(said)})
    return [
        *(
            (f"{owner}/{identity}/{number}".encode(), data[at : at + CHUNK_BYTES])
            for number, at in enumerate(starts)
        ),
        (owner.encode(), manifest),
    ]


class Shelf:
    """One owner's checkpoints, as far as the records of the topic were noted, in their order.

    The whole one with the largest position is the best, whoever wrote it and when; of two with
    the same position the later. Memory holds the best and what may become better.
    """

    def __init__(self, owner: str, signing: Signing = UNSIGNED) -> None:
        self.owner = owner
        self._signing = signing
        self.kept: list[Kept] = []
        self.end = 0
        self._best: tuple[CheckpointManifest, bytes] | None = None
        self._unfinished: dict[str, Chunks] = {}
        self._damage = self._refusal = ""
        self._foreign = NONE_FOREIGN

    def note(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Take in the next record of the topic's partition; those of other owners are nothing."""
        self.end = offset + 1
        name = (key or b"").decode(errors="replace")
        if name == self.owner:
            self._note_manifest(offset, value or b"")
        elif name.startswith(f"{self.owner}/"):
            self._note_chunk(offset, name.removeprefix(f"{self.owner}/"), value or b"")

    def add(self, kept: Kept) -> None:
        """Note a whole checkpoint that needs no reading; ``kept.manifest`` is the last record."""
        self.kept = sorted([*self.kept, kept])[-KEEP:]
        self.end = kept.manifest + 1

    def best(self, settings: str) -> Checkpoint | None:
        """Return the best checkpoint, None where there never was one.

        Raises
        ------
        CheckpointError
            When the best was made under other settings or by another version, when all are damaged
            or wrongly signed, or when the best is signed and there is no key.
        """
        ours, owner = settings, self.owner
        if self._foreign != NONE_FOREIGN:
            raise CheckpointError(self._foreign[1])
        if self._best is None:
            if self._refusal:
                raise CheckpointError(REFUSED.format(owner=owner, reason=self._refusal))
            if self._damage:
                raise CheckpointError(ALL_DAMAGED.format(owner=owner, reason=self._damage))
            return None
        manifest, data = self._best
        if manifest.settings != ours:
            theirs = manifest.settings
            raise CheckpointError(OTHER_SETTINGS.format(owner=owner, theirs=theirs, ours=ours))
        return Checkpoint(manifest.position, data)

    def let_go(self) -> None:
        """Forget the bytes, and keep what is known of the places."""
        self._best = None
        self._unfinished = {}

    def spare(self) -> int | None:
        """Return the offset before which nothing is needed, None while fewer than two are kept."""
        return min(kept.start for kept in self.kept) if len(self.kept) == KEEP else None

    def _note_chunk(self, offset: int, name: str, value: bytes) -> None:
        identity, _, number = name.partition("/")
        if not number.isdecimal() or self._is_beaten(_position(identity)):
            return
        chunks = self._unfinished.pop(identity, None) or Chunks(offset)
        chunks.parts[int(number)] = value
        self._unfinished[identity] = chunks
        if len(self._unfinished) > UNFINISHED:
            self._unfinished.pop(next(iter(self._unfinished)))

    def _note_manifest(self, offset: int, value: bytes) -> None:
        manifest = self._manifest(value)
        if manifest is None or self._is_beaten(manifest.position):
            return
        chunks = self._unfinished.pop(manifest.id, None) or Chunks(offset)
        data = b"".join(chunks.parts.get(number, b"") for number in range(manifest.chunks))
        if len(data) != manifest.size or _digest(data) != manifest.sha256:
            if not self._is_twin(manifest):
                self._pass_over(f"{manifest.id} lacks bytes, or they were changed")
            return
        self._best = (manifest, data)
        if manifest.position >= self._foreign[0]:
            self._foreign = NONE_FOREIGN
        self.add(Kept(manifest.position, offset, chunks.start))
        for identity in [i for i in self._unfinished if self._is_beaten(_position(i))]:
            del self._unfinished[identity]

    def _manifest(self, value: bytes) -> CheckpointManifest | None:
        """Return what a manifest says, None where it is not as it was written."""
        try:
            said = orjson.loads(value)
            version, seal = said["schema_version"], said.pop("seal", None)
            is_sealed = seal == _seal(said)
            is_whole = is_sealed or (version == 1 and seal is None)
            if is_whole and self._is_foreign(said):
                return None
            manifest = CheckpointManifest.model_validate_json(value)
        except (ValidationError, ValueError, TypeError, KeyError, AttributeError):
            is_sealed = False
        if not is_sealed or manifest.owner != self.owner:
            self._pass_over("a manifest cannot be read")
            return None
        return manifest

    def _is_foreign(self, said: Mapping[str, Any]) -> bool:
        """Tell, and note, whether an undamaged manifest is not ours to read.

        With a key, others' are nothing; without one they may be our best, and stand in the way.
        """
        owner, version, why_not = self.owner, said["schema_version"], ""
        if complaint := self._signing.complaint(said):
            self._refusal = complaint
            logger.error("a checkpoint of %s is refused: %s", owner, complaint)
            if not self._signing.has_key:
                why_not = REFUSED.format(owner=owner, reason=complaint)
        elif version != VERSION:
            why_not = OTHER_VERSION.format(owner=owner, theirs=version, ours=VERSION)
        if why_not and not self._is_beaten(position := int(said["position"])):
            self._foreign = max(self._foreign, (position, why_not))
        return bool(complaint or why_not)

    def _is_beaten(self, position: int) -> bool:
        return self._best is not None and position < self._best[0].position

    def _is_twin(self, manifest: CheckpointManifest) -> bool:
        """Tell whether it completes what another writer's manifest has completed already."""
        found = None if self._best is None else self._best[0]
        return found is not None and (found.id, found.settings) == (manifest.id, manifest.settings)

    def _pass_over(self, reason: str) -> None:
        self._damage = reason
        logger.warning("a checkpoint of %s is damaged (%s): passed over", self.owner, reason)


def _position(identity: str) -> int:
    """Return the position that the name of a set of chunks begins with, -1 where it has none."""
    position = identity.partition("-")[0]
    return int(position) if position.isdecimal() else -1


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(said: Mapping[str, Any]) -> str:
    """Return the digest of all that a manifest says, however it is spaced and ordered."""
    return _digest(orjson.dumps(dict(said), option=orjson.OPT_SORT_KEYS))
