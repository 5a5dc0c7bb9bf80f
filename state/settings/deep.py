"""Settings of deep models in live forecasts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from tidecast.state.settings.base import Duration, Frozen

__all__ = ["DeepSettings"]

LONGEST_DEADLINE = 60_000_000  # microseconds
LEAST_RETRAIN = 1_000_000


class DeepSettings(Frozen):
    """Where trained ``models`` lie, and for how long a forecast waits for their answer.

    ``retrain`` is how long after the last training another one begins; None is never.
    """

    models: Path = Path("models")
    deadline: Annotated[Duration, Ge(0), Le(LONGEST_DEADLINE)] = 2_000_000
    retrain: Annotated[Duration, Ge(LEAST_RETRAIN)] | None = None
