"""What the rows of a long table mean."""

from __future__ import annotations

from typing import Literal

__all__ = ["Absent", "Aggregate"]

Absent = Literal["auto", "zero", "missing"]
"""What a row that is not there stands for; "auto" finds out."""

Aggregate = Literal["sum", "mean", "count"]
"""What several rows of a bin and cell come to."""
