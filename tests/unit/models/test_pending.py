"""Forecasts that wait for their actuals, and what learns from many leads of them at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidecast.models.arrays import AT_ONCE
from tidecast.models.blend import N_SIZES, Blend, kept_by
from tidecast.models.calibrate import Calibrate
from tidecast.models.event_groups import GROUPS
from tidecast.models.pending import Due, Dues, Kept, Pending, together
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import ScoreSheet
from tidecast.models.short import shortened
from tidecast.state.bins import HOUR, BinGrid

LEVELS = (0.05, 0.5, 0.95)
N_EXPERTS, N_SERIES, N_CELLS, HORIZON = 3, 2, 40, 5
RANDOM = np.random.default_rng(7)
ACTUAL = RANDOM.poisson(3.0, (N_SERIES, N_CELLS)).astype(np.float64)
WHOLE = np.array([[False, True, False], [False, False, False]])  # (series, level)
ACTUAL[0, 3], ACTUAL[1] = np.nan, ACTUAL[1] / 2


def due(lead: int, n_cells: int = N_CELLS) -> Due:
    """Return a forecast in which some experts sleep, and nothing is said of some cells."""
    means = RANDOM.gamma(2.0, 2.0, (1 + N_EXPERTS, N_SERIES, n_cells)).astype(np.float32)
    means[2, :, ::7] = np.nan
    means[:, 0, -1:] = 0.0
    scale = RANDOM.gamma(4.0, 0.5, (N_SERIES, n_cells)).astype(np.float32)
    shapes = np.sort(RANDOM.normal(size=(N_SERIES, len(GROUPS) + 1, len(LEVELS))))
    return Due(lead, means, scale, shapes.astype(np.float32), WHOLE)


DUES = [due(lead) for lead in (4, 2, 1)]


def pending(n_cells: int) -> Pending:
    """Return forecasts of bin 10 from the bins before it, the last one of three cells more."""
    waiting, n_groups = Pending(), len(GROUPS) + 1
    for lead in range(HORIZON, 0, -1):
        shape = (N_SERIES, n_cells + 3 * (lead == 1), HORIZON)
        means = np.full((1 + N_EXPERTS, *shape), float(lead), np.float32)
        shapes = np.zeros((N_SERIES, HORIZON, n_groups, len(LEVELS)), np.float32)
        waiting.add(10 - lead, means, np.ones(shape, np.float32), shapes, WHOLE)
    return waiting


def test_leads_of_equally_many_cells_come_together() -> None:
    assert [dues.leads.tolist() for dues in pending(7).together(10)] == [[5, 4, 3, 2], [1]]
    assert [dues.scale.shape for dues in pending(7).together(10)] == [(4, 2, 7), (1, 2, 10)]
    assert all((dues.means[:, 0, 0, 0] == dues.leads).all() for dues in pending(7).together(10))
    assert not list(pending(7).together(11 + HORIZON))


def test_leads_of_many_cells_come_a_few_at_a_time() -> None:
    runs = [dues.leads.tolist() for dues in pending(AT_ONCE // 2).together(10)]
    assert runs == [[5, 4], [3, 2], [1]]
    assert len(list(pending(AT_ONCE + 1).together(10))) == HORIZON


def with_sleepers() -> tuple[Pending, list[np.ndarray]]:
    """Return forecasts of bin 10 in which the second expert slept, and what was said, as it was."""
    waiting, said = Pending(), []
    for origin, lead in ((8, 2), (9, 1)):
        means = RANDOM.gamma(2.0, 2.0, (1 + N_EXPERTS, N_SERIES, N_CELLS, 2)).astype(np.float32)
        means[2], means[3, 0] = np.nan, np.nan
        shapes = np.zeros((N_SERIES, 2, len(GROUPS) + 1, len(LEVELS)), np.float32)
        waiting.add(origin, means, means[0], shapes, WHOLE)
        said.append(means[..., lead - 1])
    return waiting, said


def test_nothing_is_kept_of_experts_that_slept_and_all_of_the_others() -> None:
    waiting, said = with_sleepers()
    for due, means in zip(waiting.about(10), said, strict=True):
        assert np.array_equal(due.means, means, equal_nan=True)
    kept = waiting.snapshot()
    assert kept["10/1/means"].shape == (N_EXPERTS, N_SERIES, N_CELLS)
    assert kept["10/1/spoke"].tolist() == [True, True, False, True]


def test_what_is_kept_is_restored() -> None:
    waiting, said = with_sleepers()
    other = Pending()
    other.restore(waiting.snapshot())
    for due, means in zip(other.about(10), said, strict=True):
        assert np.array_equal(due.means, means, equal_nan=True)
        assert np.array_equal(due.whole, WHOLE)


def test_short_numbers_of_experts_take_three_bytes_each_and_come_back_as_they_were() -> None:
    said, everybody = due(2), np.ones(1 + N_EXPERTS, dtype=bool)
    short = replace(said, means=np.concatenate([said.means[:1], shortened(said.means[1:])]))
    kept = Kept.of(everybody, short)
    assert len(kept.means) == 1
    assert sum(each.nbytes for each in kept.short) == 3 * N_EXPERTS * N_SERIES * N_CELLS
    assert np.array_equal(kept.opened().means, short.means, equal_nan=True)
    whole = Kept.of(everybody, said)
    assert np.array_equal(whole.opened().means, said.means, equal_nan=True)
    assert not sum(each.nbytes for each in whole.short)


def test_what_was_said_at_early_origins_can_be_left_out() -> None:
    waiting, _ = with_sleepers()
    assert [dues.leads.tolist() for dues in waiting.together(10, since=9)] == [[1]]
    assert not list(waiting.together(10, since=10))


def test_cells_there_are_none_of_are_no_obstacle() -> None:
    none = [due(2, 0), due(1, 0)]
    assert list(together(none)) == [slice(0, 2)]
    assert Dues.of(none).quantiles().shape == (2, N_SERIES, 0, len(LEVELS))


def test_quantiles_of_many_leads_are_those_of_each() -> None:
    expected = np.stack([each.quantiles() for each in DUES])
    assert np.array_equal(Dues.of(DUES).quantiles(), expected)


def test_calibration_learns_the_same_of_many_leads_and_of_one_after_another() -> None:
    whole, apart = (Calibrate(N_SERIES, HORIZON, LEVELS) for _ in range(2))
    for _ in range(3):
        for calibrate, parts in ((whole, [DUES]), (apart, [[each] for each in DUES])):
            for dues in map(Dues.of, parts):
                said = dues.means[:, 0], dues.scale, dues.shapes
                calibrate.learn(ACTUAL, *said, dues.leads)
    _assert_same(whole.snapshot(), apart.snapshot())


def test_the_blend_learns_mean_products_of_errors_by_series_size_and_lead() -> None:
    dues, blend = Dues.of(DUES), Blend(N_EXPERTS, N_SERIES, HORIZON)
    scale, sizes = np.ones(ACTUAL.shape), RANDOM.integers(0, N_SIZES, ACTUAL.shape)
    errors = np.clip(dues.means - ACTUAL.astype(np.float32), -9.0, 9.0)
    for _ in range(2):
        blend.learn(errors, scale, sizes, dues.leads)
    expected = np.zeros((N_SERIES, N_SIZES, HORIZON, N_EXPERTS, N_EXPERTS))
    for lead, of_lead in zip(dues.leads, errors.astype(np.float64), strict=True):
        for series, size in np.ndindex(N_SERIES, N_SIZES):
            cells = np.flatnonzero((sizes[series] == size) & np.isfinite(ACTUAL[series]))
            products = np.zeros((N_EXPERTS, N_EXPERTS))
            for cell in cells:
                blend_error, *own = of_lead[:, series, cell]
                said = np.where(np.isfinite(own), own, blend_error)
                products += np.outer(said, said) / len(cells)
            expected[series, size, lead - 1] = (1.0 + kept_by(np.array(len(cells)))) * products
    learnt = blend.snapshot()
    assert np.allclose(learnt["products"], expected, rtol=1e-12)
    assert np.array_equal(learnt["seen"] > 0, np.diagonal(expected, axis1=-2, axis2=-1).any(-1))


def test_scores_are_the_same_of_many_leads_and_of_one_after_another() -> None:
    profile = ForecastProfile(
        series=("one", "two"),
        grid=BinGrid(HOUR),
        horizon=HORIZON,
        quantile_levels=LEVELS,
        season_lengths=(24,),
        experts=("a", "b", "c"),
    )
    whole, apart = ScoreSheet(1, profile), ScoreSheet(1, profile)
    for sheet, parts in ((whole, [DUES]), (apart, [[each] for each in DUES])):
        for dues in map(Dues.of, parts):
            sheet.fill(dues.leads, ACTUAL, dues.means, dues.quantiles())
    for name in ("n", "abs_error", "squared_error", "actual", "pinball", "covered"):
        found, expected = getattr(whole.scores, name), getattr(apart.scores, name)
        assert np.array_equal(found, expected, equal_nan=True)
        assert found[..., [0, 1, 3]].any()


def _assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert np.array_equal(array, expected[name]), name
