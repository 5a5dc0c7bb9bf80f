"""Windows are views of one array, and no part of a split knows another's targets."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import history_of, rhythm, small_cells, small_config, small_windows  # noqa: E402

from tidecast.models.deep.history import History, Scales, calendar_of, slots_per_day  # noqa: E402
from tidecast.models.deep.windows import Windows, split_origins  # noqa: E402
from tidecast.state.bins import HOUR, BinGrid  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402


def test_inputs_end_where_the_actual_begins() -> None:
    values = np.arange(60, dtype=np.float32)[:, None, None].repeat(6, axis=1)
    windows = small_windows(small_config(n_series=1), values)
    inputs, actual = windows.inputs([10, 31]), windows.actual([10, 31])
    assert inputs.values[:, 0, 0, 0].tolist() == [0, 21]
    assert inputs.values[:, -1, 0, 0].tolist() == [9, 30]
    assert actual[:, 0, 0].tolist() == [[10, 11, 12], [31, 32, 33]]
    assert inputs.calendar[:, 10, 0].tolist() == [10, 31 % 24]


def test_windows_copy_nothing_of_the_history() -> None:
    history = history_of(rhythm())
    windows = Windows(history, small_cells(history), small_config())
    assert windows._actual.data_ptr() == torch.as_tensor(history.values).data_ptr()
    assert windows._seen.untyped_storage().nbytes() == history.values.nbytes


def test_missing_values_are_not_known_and_actuals_of_them_nan() -> None:
    values = rhythm(n_series=1)
    values[40, 2] = np.nan
    windows = small_windows(small_config(n_series=1), values)
    assert not windows.inputs([41]).known[0, -1, 2, 0]
    assert torch.isfinite(windows.inputs([41]).values).all()
    assert torch.isnan(windows.actual([40])[0, 0, 2, 0])


def test_origins_have_their_whole_context_and_horizon() -> None:
    windows = small_windows(small_config())
    assert windows.origins()[[0, -1]].tolist() == [10, 397]
    assert windows.origins(first=50, end=60).tolist() == list(range(50, 60))


def test_the_last_origin_of_all_can_be_forecast() -> None:
    windows = small_windows(small_config())
    assert windows.inputs([windows.n_bins]).values.shape[:2] == (1, 10)


@pytest.mark.parametrize("origin", [9, 500])
def test_an_origin_without_context_is_refused(origin: int) -> None:
    with pytest.raises(SettingsError, match="have no context of 10 bins"):
        small_windows(small_config()).inputs([origin])


def test_a_split_is_in_the_order_of_time_and_shares_no_target() -> None:
    learnt, validated, tested = split_origins(np.arange(100, 200), 0.2, 0.2, gap=12)
    assert (learnt[0], learnt[-1]) == (100, 147)
    assert (validated[0], validated[-1]) == (160, 167)
    assert (tested[0], tested[-1]) == (180, 199)


def test_the_published_split_of_pems08_has_3567_windows_to_test() -> None:
    parts = split_origins(np.arange(12, 17856 - 12 + 1), 0.2, 0.2, gap=12)
    assert len(parts[2]) == 3567


def test_a_calendar_tells_local_slots_and_weekdays() -> None:
    grid = BinGrid(HOUR // 2, "Europe/London")
    first = int(grid.index(np.array([1_719_792_000_000_000]))[0])  # 2024-07-01 01:00 local, Monday
    assert slots_per_day(grid) == 48
    assert calendar_of(grid, first, 2).tolist() == [[2, 0], [3, 0]]


def test_bins_of_a_day_have_one_slot() -> None:
    grid = BinGrid("day", "UTC")
    assert slots_per_day(grid) == 1
    assert calendar_of(grid, 0, 2).tolist() == [[0, 3], [0, 4]]  # 1970 began on a Thursday


def test_scales_are_finite_and_positive_whatever_is_known() -> None:
    values = np.full((30, 3, 1), np.nan, np.float32)
    values[:, 0, 0] = np.arange(30)
    values[:, 1, 0] = 7.0
    scales = Scales.of(values)
    assert scales.level[:, 0].tolist() == pytest.approx([14.5, 7.0, 10.75])
    assert (scales.scale > 0).all()
    assert scales.scale[1, 0] == pytest.approx(0.05 * scales.scale[0, 0])


def test_nothing_is_left_out_before_a_part_that_is_not_there() -> None:
    origins = np.arange(10, 23)
    learnt, validated, tested = split_origins(origins, 0.0, 0.0, gap=12)
    assert learnt.tolist() == origins.tolist()
    assert len(validated) == len(tested) == 0


def test_a_covariate_that_is_not_finite_is_refused() -> None:
    history = history_of(rhythm())
    broken = history.future.copy()
    broken[3] = np.nan
    with pytest.raises(SettingsError, match="not finite: fill its gaps"):
        History(history.values, history.calendar, broken, history.static)
