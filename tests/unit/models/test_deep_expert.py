"""The deep expert says what it has heard, at the origin that it is of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deep_answers import answer

from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.deep_expert import DeepExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.window import Window

GRID = BinGrid(HOUR)
PROFILE = ForecastProfile(("clicks", "demand"), GRID, 3, (0.5,), (24,), ("deep",))
BIN = 480_000
FACTOR = np.full((3, 4, 2), 2.0, np.float32)


def known(bin_: int = BIN, factor: np.ndarray | None = None) -> Covariates:
    """Return what is known of four cells, whose values are ``factor`` times the usual ahead."""
    one = np.ones((4, 2))
    near = np.full((4, 1), -1)
    usual = np.ones((3, 4, 2), np.float32)
    plain = Covariates(bin_, Calendar(GRID), near, one, one, one.astype(np.float32), usual)
    return plain if factor is None else replace(plain, factor_ahead=factor)


def said(expert: DeepExpert, covariates: Covariates) -> tuple[np.ndarray, np.ndarray]:
    mean, scale = expert.forecast(Window(1, 2), covariates)
    assert np.isfinite(scale).all()
    assert (scale > 0).all()
    return mean, scale


def test_it_says_what_it_has_heard_of_its_series_and_sleeps_for_the_others() -> None:
    expert = DeepExpert(PROFILE)
    expert.hear(answer(BIN, 4))
    mean, scale = said(expert, known())
    assert np.isnan(mean[0]).all()
    assert (mean[1] == 7.0).all()
    assert (scale[1] == 2.0).all()


def test_it_sleeps_until_it_hears_and_at_any_other_origin() -> None:
    expert = DeepExpert(PROFILE)
    assert np.isnan(said(expert, known())[0]).all()
    expert.hear(answer(BIN, 4))
    assert np.isnan(said(expert, known(BIN + 1))[0]).all()


@pytest.mark.parametrize(
    "broken",
    [
        answer(BIN, 3),
        answer(BIN, 4, n_leads=2),
        answer(BIN, 4, mean=np.inf),
        answer(BIN, 4, mean=np.nan),
        replace(answer(BIN, 4), scale=np.zeros((2, 4, 3), np.float32)),
        replace(answer(BIN, 4), scale=np.ones((2, 4, 2), np.float32)),
    ],
    ids=["cells", "leads", "infinite", "nothing", "no scale", "another shape"],
)
def test_it_sleeps_over_what_is_not_sound(broken: DeepForecast) -> None:
    expert = DeepExpert(PROFILE)
    expert.hear(broken)
    assert np.isnan(said(expert, known())[0]).all()


def test_one_series_half_said_is_not_sound() -> None:
    half = answer(BIN, 4)
    half.mean[1, 0, 0] = np.nan
    assert not half.is_sound


def test_what_is_known_ahead_is_taken_out_for_the_forecaster_puts_it_in() -> None:
    expert = DeepExpert(PROFILE)
    expert.hear(answer(BIN, 4))
    mean, scale = said(expert, known(factor=FACTOR))
    assert (mean[1] == 3.5).all()
    assert (scale[1] == 1.0).all()
    nothing = said(expert, known(factor=0.0 * FACTOR))[0]
    assert (nothing[1] <= 28.0).all()


def test_a_restored_expert_explains_what_was_said() -> None:
    expert, other = DeepExpert(PROFILE), DeepExpert(PROFILE)
    expert.hear(answer(BIN, 4))
    other.restore(expert.snapshot())
    parts = other.explain(Window(1, 2), known(), 2)
    assert np.asarray(sum(parts.values()))[1].tolist() == [7.0, 7.0, 7.0]
    assert parts["rest"][1].tolist() == [6.0, 6.0, 6.0]
