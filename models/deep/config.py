"""What a network is: everything that its weights depend on, frozen, and written beside them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tidecast.state.settings.base import Frozen

__all__ = ["DEFAULT_LEVELS", "HEADS", "NetworkConfig", "NormaliseBy", "Shape", "recent_of"]

DEFAULT_LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Quantile levels: those that a backtest scores."""

HEADS = 4
"""Heads of attention; the width is a multiple of it."""

NormaliseBy = Literal["window", "season", "cell"]
Likelihood = Literal["normal", "negative_binomial", "zero_inflated"]
Level = Annotated[float, Field(gt=0, lt=1)]
Length = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, lt=1)]


def recent_of(day: int) -> int:
    """Return how many of the last bins are seen as all cells saw them: a quarter of a ``day``."""
    return max(1, day // 4)


class NetworkConfig(Frozen):
    """A network's shape.

    ``n_cells`` have an embedding of their own, all others share one. ``slots_per_day`` are bins of
    a day (1 where bins are days). ``n_future`` covariates are known ahead, ``n_static`` never
    change. ``latent`` values are what all cells of a drawn future share, and as many each has of
    its own; with 0 none can be drawn. ``normalise`` by the level and scale of the window, which
    follows a shift of level at once, by those of each hour of the week in a window of weeks
    (``season``), or by those of the cell over a long time. ``likelihood`` is what the mean is
    learnt by.
    """

    n_cells: int = Field(ge=0, le=10_000_000)
    context_length: Length
    horizon: Length
    slots_per_day: int = Field(ge=1, le=1440)
    n_series: int = Field(default=1, ge=1, le=64)
    n_future: int = Field(default=0, ge=0, le=256)
    n_static: int = Field(default=0, ge=0, le=256)
    quantile_levels: tuple[Level, ...] = DEFAULT_LEVELS
    backbone: str = "stid"
    width: int = Field(default=64, ge=HEADS, le=4096, multiple_of=HEADS)
    depth: int = Field(default=3, ge=1, le=64)
    embedding_width: int = Field(default=32, ge=1, le=1024)
    dropout: Share = 0.1
    unseen: Share = 0.02
    latent: int = Field(default=0, ge=0, le=256)
    grid: tuple[Length, Length] = (1, 1)
    normalise: NormaliseBy = "window"
    likelihood: Likelihood = "negative_binomial"

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        levels = self.quantile_levels
        if not levels or list(levels) != sorted(set(levels)):
            raise ValueError(f"quantile_levels = {levels}: give at least one, rising")
        return self

    @model_validator(mode="after")
    def _season_is_seen(self) -> Self:
        if self.context_length < self.least_context:
            raise ValueError(
                f"context_length = {self.context_length}: a season takes {self.least_context} bins"
            )
        return self

    @property
    def least_context(self) -> int:
        """Bins that are there before an origin: two weeks of a season, else all of the context."""
        return 14 * self.slots_per_day if self.normalise == "season" else self.context_length

    @property
    def n_channels(self) -> int:
        """Channels of a token: values, whether they are known, covariates known ahead."""
        return 2 * self.n_series + self.n_future

    @property
    def identity_width(self) -> int:
        """Channels that say which cell it is and when, besides the window."""
        n_embeddings = 3 + (self.n_static > 0) + (self.n_future > 0)
        of_season = self.horizon + recent_of(self.slots_per_day)  # bins ahead, and the last ones
        n_told = of_season if self.normalise == "season" else 0
        return n_embeddings * self.embedding_width + (1 + n_told) * self.n_series

    @property
    def shape(self) -> Shape:
        """What a backbone is made of."""
        return Shape(
            context=self.context_length,
            horizon=self.horizon,
            channels=self.n_channels,
            identity=self.identity_width,
            width=self.width,
            depth=self.depth,
            dropout=self.dropout,
            grid=self.grid,
        )


class Shape(Frozen):
    """What a backbone is made of: lengths of its axes, and how deep it is."""

    context: int
    horizon: int
    channels: int
    identity: int
    width: int
    depth: int
    dropout: float = 0.0
    grid: tuple[int, int] = (1, 1)
