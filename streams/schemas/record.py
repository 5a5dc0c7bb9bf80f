"""What the records of all topics that tidecast writes share.

All are JSON but the chunks of checkpoints, which are bytes. A reader refuses a ``schema_version``
it does not know; fields may be added within a version, never changed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Tolerant"]


class Tolerant(BaseModel):
    """Frozen, and tolerant of fields added later."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Record(Tolerant):
    """What all records share."""

    schema_version: Literal[1] = 1
