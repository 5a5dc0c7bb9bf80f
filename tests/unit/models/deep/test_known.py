"""Covariates of a live model: what was known of them counts, in the units of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import N_CELLS, rhythm, small_about, small_config, small_network  # noqa: E402

from tidecast.models.deep.context import ClosedBin, Context  # noqa: E402
from tidecast.models.deep.history import History, Scales, calendar_of  # noqa: E402
from tidecast.models.deep.known import KnownBins, Unit, seen_in, units_among  # noqa: E402
from tidecast.models.deep.live import LiveModel  # noqa: E402
from tidecast.models.deep.model import Model, make_cells  # noqa: E402
from tidecast.models.deep.space import space_of  # noqa: E402
from tidecast.models.deep.windows import Windows  # noqa: E402
from tidecast.state.bins import HOUR, BinGrid  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.covariates import Kind  # noqa: E402
from tidecast.state.deep_forecast import DeepForecast  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402
from tidecast.state.known import Known  # noqa: E402

GRID, FIRST = BinGrid(HOUR), 480_000
CELLS = tuple(Cell(f"region {n}", "x") for n in range(N_CELLS))
VALUES = rhythm()
PROMOTION, SIZE = (
    Unit(name="promotion", mean=1.0, largest=4.0),
    Unit(name="size", mean=2.0, largest=2.0),
)
TOLD: dict[str, Kind] = {"promotion": "known", "size": "static", "weather": "known"}


def known(name: str, *rows: Sequence[float], kind: Kind = "known") -> Known:
    """Return what is known by a column for each cell."""
    return Known(name, kind, np.array(rows, float), np.arange(len(rows[0])))


def test_a_unit_is_the_largest_departure_from_the_mean_and_gaps_tell_nothing() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [8.0, np.nan]])
    units = units_among(["price", "never"], values)
    assert units == (
        Unit(name="price", mean=4.0, largest=4.0),
        Unit(name="never", mean=0.0, largest=1.0),
    )
    seen = seen_in(units, np.array([[2.0, np.nan], [100.0, 0.5], [np.nan, -9.0]]))
    assert seen.tolist() == [[-0.5, 0.0], [1.0, 0.5], [0.0, -1.0]]


def test_of_a_bin_counts_what_was_known_at_its_end_and_of_one_ahead_what_is_known_now() -> None:
    bins = KnownBins(length=5)
    bins.take(10, [known("promotion", [1.0], [2.0], [3.0])])
    bins.take(11, [known("promotion", [4.0], [5.0], [6.0])])
    bins.take(14, [known("promotion", [7.0, 8.0], [9.0, 0.0])])  # a cell more; others were skipped
    found = bins.future(["promotion", "other"], range(9, 17), n_cells=2)
    nan = np.nan
    first = [nan, 1.0, 4.0, 5.0, 6.0, 7.0, 9.0, nan]
    np.testing.assert_array_equal(found[:, 0, 0], first)
    np.testing.assert_array_equal(found[:, 1, 0], [nan] * 5 + [8.0, 0.0, nan])
    assert np.isnan(found[:, :, 1]).all()


def trained() -> Model:
    config = small_config(unseen=0.0, dropout=0.0)
    about = small_about(series=("clicks", "orders"), future=(PROMOTION,), static=(SIZE,))
    return Model(small_network(config), CELLS, Scales.of(VALUES), about)


def live(model: Model, covariates: dict[str, Kind] | None = None) -> LiveModel:
    told = TOLD if covariates is None else covariates
    return LiveModel("first", model, ("clicks", "orders"), GRID, 2, told)


def promoted(bin_: int) -> list[float]:
    return [float((bin_ + cell) % 5) for cell in range(N_CELLS)]


SIZES = [float(cell) for cell in range(N_CELLS)]


def answered(lift: float = 0.0, with_covariates: bool = True) -> DeepForecast:
    """Return the answer after 30 bins, the promotions of bins ahead raised by ``lift``."""
    context = Context(10, 2)
    for number in range(30):
        bins = range(FIRST + number, FIRST + number + 4)
        rows = [np.array(promoted(bin_)) + lift * (bin_ >= FIRST + 30) for bin_ in bins]
        told = [known("promotion", *rows), known("size", SIZES, kind="static")]
        context.take(ClosedBin(bins.start, CELLS, VALUES[number], told if with_covariates else ()))
    found = live(trained()).answer(context, {})
    assert found is not None
    return found


def test_a_live_model_answers_as_one_that_is_given_the_same_covariates_at_once() -> None:
    model = trained()
    bins = range(FIRST + 20, FIRST + 33)
    future = np.array([promoted(bin_) for bin_ in bins])[:, :, None]
    history = History(
        VALUES[20:30],
        calendar_of(GRID, bins.start, len(bins)),
        seen_in([PROMOTION], future),
        seen_in([SIZE], np.array(SIZES)[:, None]),
    )
    config = model.network.config
    space = space_of(CELLS, {}, config.grid)
    cells = make_cells(np.arange(1, N_CELLS + 1), model.scales, history.static, space)
    expected = model.forecast(Windows(history, cells, config), 10)
    np.testing.assert_array_equal(answered().mean, expected.mean[..., :2])


def test_what_is_known_ahead_moves_the_answer_and_without_any_there_is_one() -> None:
    assert not np.array_equal(answered().mean, answered(lift=2.0).mean)
    assert not np.array_equal(answered().mean, answered(with_covariates=False).mean)


@pytest.mark.parametrize("told", [{}, {"promotion": "known"}, {**TOLD, "size": "known"}])
def test_a_model_of_other_covariates_is_refused_by_their_names(told: dict[str, Kind]) -> None:
    with pytest.raises(SettingsError, match=r"model first is refused.*size \(static\)"):
        live(trained(), told)


def test_a_model_that_does_not_name_its_covariates_is_refused() -> None:
    model = trained()
    nameless = replace(model, about=model.about.model_copy(update={"future": ()}))
    with pytest.raises(SettingsError, match="does not name the covariates"):
        live(nameless)


def test_restored_bins_know_what_they_knew() -> None:
    bins, again = KnownBins(length=3), KnownBins(length=3)
    for number in range(5):
        told = [known("a/b", [1.0 * number], [2.0]), known("size", [3.0], kind="static")]
        bins.take(10 + number, told)
    again.take(7, [known("a/b", [9.0])])
    again.restore(bins.snapshot())
    asked = ["a/b"], range(7, 18), 1
    np.testing.assert_array_equal(again.future(*asked), bins.future(*asked))
    assert again.static(["size"], 1).tolist() == [[3.0]]
    again.take(15, [])
    assert np.isnan(again.future(["a/b"], range(12, 13), 1)).all()  # no more than three are kept
