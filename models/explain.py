"""Explanations: what the forecasts of a cell are made of, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.blend import combine
from tidecast.models.parts import PARTS, Parts, added, scaled, within
from tidecast.models.short import ROUNDING

__all__ = ["Explanation", "Issued", "explained"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """What the last forecast of one cell is made of; all arrays are (series, lead).

    ``series`` are the names of those. ``parts`` has every one of ``PARTS``, which add up to
    ``mean``, as it was given out; ``rest`` is what no other part tells. ``weights`` are the shares
    of the experts in the mean of the cell, 0 for those that sleep, and ``said`` what each of them
    forecast, NaN for those.
    """

    series: tuple[str, ...]
    origin_bin: int
    mean: Floats
    parts: Parts
    weights: Mapping[str, Floats]
    said: Mapping[str, Floats]


@dataclass(frozen=True)
class Issued:
    """What was said of one cell when its forecast was made, of each of ``series``.

    ``means`` (1 + expert, series, lead) has the blend first, ``weights`` are (expert, series,
    lead). ``level`` (series,) is what is forecast where all experts sleep, ``ceiling`` (series,
    lead) the largest that any may say before what is known ahead moves it. ``amiss`` (series,) is
    what their mean was multiplied by, for all were off.
    """

    series: tuple[str, ...]
    origin_bin: int
    means: NDArray[np.float32]
    weights: NDArray[np.float32]
    level: Floats
    ceiling: Floats
    amiss: NDArray[np.float32]


def explained(issued: Issued, experts: Mapping[str, Parts], factor: Parts) -> Explanation:
    """Return the parts of the blend: those of ``experts``, times their shares.

    ``factor`` are the parts of what is known ahead: what moves the mean, as shares of it.
    """
    said = dict(zip(experts, issued.means[1:].astype(np.float64), strict=True))
    shares = dict(zip(experts, _shares(issued.means[1:], issued.weights), strict=True))
    move = 1.0 + _total(factor)
    sane = {name: within(parts, 0.0, issued.ceiling) for name, parts in experts.items()}
    heard = [_heard(_rounded(sane[name], said[name], move), shares[name]) for name in experts]
    blended = added(*heard)
    moved = added(blended, scaled(factor, _total(blended)))
    mean, mixed = issued.means[0].astype(np.float64), _mixed(issued)
    asleep = np.where(np.isfinite(mixed), 0.0, np.fmax(issued.level, 0.0)[:, None])
    missed = {"recent": _total(moved) * (issued.amiss[:, None] - 1.0)}
    agreed = {"level": asleep, "coherence": mean - np.where(np.isfinite(mixed), mixed, asleep)}
    parts = added({name: np.zeros(mean.shape) for name in PARTS}, moved, missed, agreed)
    parts = added(parts, {"rest": mean - _total(parts)})
    return Explanation(issued.series, issued.origin_bin, mean, parts, shares, said)


def _total(parts: Parts) -> Floats:
    return np.asarray(sum(parts.values()))


def _mixed(issued: Issued) -> Floats:
    """Return the mean before cells and sums were made to agree, NaN where all sleep."""
    mixed = combine(issued.means[1:, :, None], issued.weights[:, :, None])
    return (mixed[:, 0] * issued.amiss[:, None]).astype(np.float64)


def _shares(said: NDArray[np.float32], weights: NDArray[np.float32]) -> Floats:
    """Return what each expert counts for in the mean, (expert, series, lead): see `combine`."""
    awake = np.isfinite(said)
    given = np.where(awake, weights + np.float64(0.0 if awake.all() else 1e-6), 0.0)
    return np.asarray(given / np.fmax(given.sum(axis=0), 1e-30))


def _rounded(parts: Parts, said: Floats, move: Floats) -> Parts:
    """Return parts that make what was ``said`` when moved, where they do but for its rounding."""
    whole = move * _total(parts)
    is_near = (whole > 0.0) & (np.abs(said - whole) <= ROUNDING * whole)
    return scaled(parts, np.where(is_near, said / np.where(is_near, whole, 1.0), 1.0))


def _heard(parts: Parts, share: Floats) -> Parts:
    """Return parts times an expert's share; those of who sleeps are nothing."""
    return {
        name: np.where(np.isfinite(part) & (share > 0.0), part * share, 0.0)
        for name, part in parts.items()
    }
