"""The record that completes a checkpoint."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidecast.streams.schemas.record import Tolerant

__all__ = ["CheckpointManifest"]


class CheckpointManifest(Tolerant):
    """Completes a checkpoint whose chunks were acknowledged before it (topic: checkpoints).

    Chunks are records of plain bytes, keyed "owner/id/number".
    """

    schema_version: Literal[2] = 2
    owner: str = Field(description="whose state: ingest/SOURCE/PARTITION or forecast/SHARD")
    id: str
    position: int = Field(description="offset of the input to go on from")
    settings: str
    chunks: int = Field(ge=1)
    size: int = Field(ge=0, description="bytes of all chunks together")
    sha256: str = Field(description="of all chunks together")
    signature: str | None = Field(
        default=None,
        description="HMAC-SHA-256, by the checkpoints' key, of all but it and the seal",
    )
    seal: str = Field(description="SHA-256 of the other fields as compact JSON with sorted keys")
