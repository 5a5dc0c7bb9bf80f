"""The records between the forecaster and deep models: closed bins, and answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Base64Bytes, Field, NonNegativeInt, model_validator

from tidecast.streams.schemas.record import Record, Tolerant

__all__ = ["DeepForecastRecord", "WindowCovariate", "WindowRecord"]


class WindowCovariate(Tolerant):
    """What is known of a covariate at the end of a bin.

    ``values`` is (bin, column), null = missing: of the bin itself and of those ahead where it is
    known ahead, one row where it is static.
    """

    name: str
    kind: Literal["known", "static"]
    columns: list[NonNegativeInt] | None = Field(
        description="which column is of each cell; null: there is one, of all cells"
    )
    values: list[list[float | None]] = Field(min_length=1)

    @model_validator(mode="after")
    def _columns_are_there(self) -> Self:
        n_columns = len(self.values[0])
        largest = max(self.columns or (0,))
        if largest >= n_columns or any(len(row) != n_columns for row in self.values):
            raise ValueError(f"column {largest} of {self.name} is not in every row of its values")
        return self


class WindowRecord(Record):
    """One closed bin of all cells, or its correction (topic: windows).

    ``values`` is (series, cell); null is missing. Of cells that are ``censored`` they are the least
    that was wanted. Bins between two records were empty while the feed slept. Models learn from a
    bin once, when it closes: ``learnt`` marks those values.
    """

    bin: int
    bin_start: datetime
    bin_end: datetime
    revision: int = Field(ge=0)
    learnt: bool = Field(
        default_factory=lambda known: known.get("revision") == 0,
        description="whether the models learnt from these values; a correction's they did not",
    )
    events: int = Field(ge=0)
    series: list[str]
    regions: list[str] = Field(description="region of each cell")
    categories: list[str] = Field(description="category of each cell")
    values: list[list[float | None]]
    censored: list[list[int]] | None = Field(
        default=None, description="numbers of the cells sold out or closed, by series; null: none"
    )
    counts: list[list[float] | None] | None = Field(
        default=None,
        description="how much each cell's mean or ratio is of, by series; null: a sum or a count",
    )
    covariates: list[WindowCovariate] | None = Field(
        default=None,
        description="for deep models, when the bin closes; null: none, or nobody asks them",
    )

    @model_validator(mode="after")
    def _every_cell_has_a_value(self) -> Self:
        n_series, n_cells = len(self.series), len(self.regions)
        by_series = self.values, self.censored, self.counts
        by_cell = self.categories, *self.values, *(self.counts or ())
        if any(part is not None and len(part) != n_series for part in by_series) or any(
            row is not None and len(row) != n_cells for row in by_cell
        ):
            raise ValueError(f"what is told is not of {n_series} series and {n_cells} cells")
        for each in self.covariates or ():
            if each.columns is not None and len(each.columns) != len(self.regions):
                raise ValueError(f"{len(self.regions)} cells have {len(each.columns)} columns")
        return self


class DeepForecastRecord(Record):
    """A deep model's answer to one closed bin (topic: deep-forecasts).

    ``mean`` and ``scale`` are of ``shape`` (series, cell, lead), series as in the settings, cells
    as in the window of that bin: 32-bit floats, little-endian, in base64. A series that the model
    does not forecast is NaN.
    """

    model: str
    origin_bin: int
    shape: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
    mean: Base64Bytes
    scale: Base64Bytes
