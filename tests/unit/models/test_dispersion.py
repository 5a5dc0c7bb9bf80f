"""Dispersion of the blend's errors."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.dispersion import Dispersion

LEVEL = 10.0


def column(*numbers: float) -> np.ndarray:
    """Return (cell, series) of one series."""
    return np.array(numbers, np.float32)[:, None]


def taught(*dispersion_and_mean: tuple[float, float], bins: int = 2000) -> Dispersion:
    """Return what was learnt of cells of counts that come in lots of that many."""
    dispersion, rng = Dispersion(1), np.random.default_rng(0)
    lot, mean = (column(*each) for each in zip(*dispersion_and_mean, strict=True))
    for _ in range(bins):
        errors = mean - lot * rng.poisson(mean / lot)
        dispersion.learn(errors, mean, 5.0 * mean)
    return dispersion


def let_pass(dispersion: Dispersion, n_cells: int, mean: float, error: float = 0.0) -> None:
    """Let the last cell alone pass 60 bins with such means and errors."""
    errors = column(*[np.nan] * (n_cells - 1), error)
    for _ in range(60):
        dispersion.learn(errors, np.full_like(errors, mean), np.full_like(errors, 50.0))


def scale_of(dispersion: Dispersion, *means: float, level: float = LEVEL) -> np.ndarray:
    mean = np.array(means, np.float32)[None, :, None]  # (series, cell, lead)
    return dispersion.scale(mean, np.full_like(mean, 0.001), np.full((1, len(means)), level))[
        0, :, 0
    ]


def test_until_errors_are_known_the_scale_is_that_of_the_experts() -> None:
    assert scale_of(Dispersion(1), 4.0, 9.0).tolist() == [np.float32(0.001)] * 2


def test_counts_have_the_scale_of_a_poisson_distribution() -> None:
    counts = taught(*[(1.0, 4.0)] * 50)
    assert scale_of(counts, *[4.0] * 50).mean() == pytest.approx(2.0, rel=0.05)


def test_the_scale_grows_with_the_root_of_the_forecast_but_not_down_to_nothing() -> None:
    counts = taught((1.0, 10.0))
    one, four, none = (scale_of(counts, mean).item() for mean in (10.0, 40.0, 0.0))
    assert four == pytest.approx(2.0 * one, rel=1e-5)
    assert none == pytest.approx(0.2 * one, rel=1e-5)


def test_cells_that_sell_by_the_dozen_are_told_from_those_that_sell_one_by_one() -> None:
    scale = scale_of(taught(*[(1.0, 60.0), (12.0, 60.0)] * 10), *[60.0] * 20)
    assert scale[1::2].mean() > 2.5 * scale[0::2].mean()


def test_a_cell_of_few_events_leans_on_the_others() -> None:
    known = taught(*[(3.0, 30.0)] * 20)
    let_pass(known, 21, mean=0.0)
    quiet = scale_of(known, *[30.0] * 21)[-1]
    assert quiet == pytest.approx(np.sqrt(3.0 * 30.0), rel=0.15)


def test_one_large_cell_says_little_of_what_is_usual() -> None:
    known = taught(*[(1.0, 10.0)] * 20, (20.0, 1000.0), bins=300)
    let_pass(known, 22, mean=0.0)
    quiet = scale_of(known, *[10.0] * 22)[-1]  # a sum of all errors would say 17 times 10
    assert quiet < np.sqrt(3.0 * 10.0)


def test_one_cell_whose_level_shifts_widens_no_other() -> None:
    known = taught(*[(1.0, 0.5)] * 20, (3.0, 80.0))
    calm = scale_of(known, *[0.5] * 21)[:20]
    shifted = column(*[np.nan] * 20, 160.0)
    means, scales = column(*[0.5] * 20, 80.0), column(*[0.7] * 20, 15.0)
    for _ in range(3):
        known.learn(shifted, means, scales)
    assert scale_of(known, *[0.5] * 21)[:20] == pytest.approx(calm, rel=0.02)


def test_what_is_so_of_many_cells_widens_those_of_few_events() -> None:
    known = taught(*[(1.0, 40.0), (12.0, 40.0)] * 10)
    let_pass(known, 21, mean=0.0)
    quiet = scale_of(known, *[40.0] * 21)[-1]
    assert quiet == pytest.approx(np.sqrt(6.5 * 40.0), rel=0.15)


def test_units_do_not_matter() -> None:
    counts, cents = taught((1.0, 4.0), (1.0, 0.5)), Dispersion(1)
    rng, mean = np.random.default_rng(0), column(4.0, 0.5)
    for _ in range(2000):
        cents.learn(100.0 * (mean - rng.poisson(mean)), 100.0 * mean, 500.0 * mean)
    scale = scale_of(cents, 400.0, 50.0, level=100.0 * LEVEL)
    assert np.allclose(scale, 100.0 * scale_of(counts, 4.0, 0.5), rtol=1e-4)


def test_a_burst_counts_as_eight_scales() -> None:
    counts = taught((1.0, 4.0))
    before = scale_of(counts, 4.0).item()
    counts.learn(column(-1e9), column(4.0), column(2.0))
    assert scale_of(counts, 4.0).item() < 1.6 * before


def test_missing_errors_change_nothing() -> None:
    counts = taught((1.0, 4.0))
    before = scale_of(counts, 4.0)
    counts.learn(column(np.nan), column(4.0), column(2.0))
    assert scale_of(counts, 4.0) == before


def test_a_series_without_any_error_keeps_a_scale() -> None:
    perfect = Dispersion(1)
    perfect.learn(column(0.0), column(4.0), column(2.0))
    assert scale_of(perfect, 4.0).item() > 0.0


def test_a_restored_dispersion_says_the_same() -> None:
    counts, other = taught((1.0, 4.0), bins=50), Dispersion(1)
    other.restore(counts.snapshot())
    assert scale_of(other, 4.0, 1.0).tobytes() == scale_of(counts, 4.0, 1.0).tobytes()


def test_a_new_cell_has_a_wider_scale_until_its_size_is_known() -> None:
    known = taught(*[(1.0, 100.0)] * 5)
    new = scale_of(known, *[100.0] * 6)
    assert new[-1] > 3.0 * new[0]
    let_pass(known, 6, mean=100.0, error=10.0)
    assert scale_of(known, *[100.0] * 6)[-1] == pytest.approx(10.0, rel=0.1)


def test_how_a_new_cell_goes_on_is_the_less_known_the_longer_the_lead() -> None:
    known, mean = taught(*[(1.0, 100.0)] * 5), np.full((1, 6, 12), 100.0, np.float32)
    new, other = (
        known.scale(mean, np.full_like(mean, 0.001), np.full((1, 6), LEVEL))[0, cell]
        for cell in (5, 0)
    )
    assert new[0] > 3.0 * other[0] and (np.diff(new) > 0.0).all() and not np.diff(other).any()
    let_pass(known, 6, mean=100.0, error=10.0)
    old = known.scale(mean, np.full_like(mean, 0.001), np.full((1, 6), LEVEL))[0, 5]
    assert not np.diff(old).any()


def test_what_errors_will_be_more_does_not_widen_what_is_unknown_of_a_young_cell() -> None:
    mean, said = np.full((1, 2, 1), 4.0, np.float32), np.ones((1, 2, 1), np.float32)
    level, spread = np.full((1, 2), 4.0), np.full((1, 2, 1), 2.0, np.float32)
    known, young = taught(*[(1.0, 4.0)] * 2, bins=200), taught((1.0, 4.0), bins=200)
    for each, most in ((known, 2.001), (young, 1.97)):
        plain = each.scale(mean, said, level)[0, 1]
        wide = each.scale(mean, said, level, spread)[0, 1]
        assert 1.0 < (wide / plain).item() < most


def test_where_all_cells_are_young_none_is_wider_than_its_errors_are() -> None:
    young = taught(*[(1.0, 100.0)] * 5, bins=20)
    mean = np.full((1, 6, 12), 100.0, np.float32)
    scale = young.scale(mean, np.full_like(mean, 0.001), np.full((1, 6), LEVEL))[0]
    old, new = scale[:5], scale[5]  # the last one comes as the others are twenty bins old
    assert old.mean() == pytest.approx(10.0, rel=0.2)
    assert not np.diff(old, axis=1).any()
    assert new[0] > 2.0 * old.mean() and (np.diff(new) > 0.0).all()
