"""What is known of the bins ahead, in a forecaster."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.holiday_terms import HolidayTerms
from tidecast.models.kin import Kin
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, Covariate, CovariateTable
from tidecast.state.holidays import Holidays
from tidecast.state.slabs import Slab

GRID = BinGrid("day", "Europe/London")
EXPERTS = ("seasonal_naive", "time_of_week", "holt_winters")
PROFILE = ForecastProfile(
    ("orders",), GRID, 7, (0.1, 0.5, 0.9), (7,), experts=EXPERTS, holidays="GB-ENG"
)
FIRST_BIN = date(2010, 11, 1).toordinal() - date(1970, 1, 1).toordinal()
CELLS = [Cell(f"region {n}", "all") for n in range(8)]
WEEK = np.array([30.0, 28.0, 26.0, 30.0, 34.0, 12.0, 18.0])
DAYS = Holidays("GB-ENG")
Values = NDArray[np.float64]


def shop(n_days: int, on_holidays: float) -> Values:
    """Return orders of a shop, (bin, cell, series), with so much of the usual on holidays."""
    random = np.random.default_rng(3)
    means = []
    for bin_ in range(FIRST_BIN, FIRST_BIN + n_days):
        day = GRID.local(bin_).date()
        means.append(WEEK[day.weekday()] * (on_holidays if day in DAYS else 1.0))
    mean = np.array(means)[:, None, None] * np.linspace(0.3, 2.0, len(CELLS))[:, None]
    return random.poisson(mean).astype(np.float64)


def run(profile: ForecastProfile, slabs: Values) -> tuple[Forecaster, list[Forecast]]:
    model = Forecaster(profile)
    steps = [model.step(Slab(bin_, row), CELLS, {}) for bin_, row in enumerate(slabs, FIRST_BIN)]
    return model, [forecast for _, forecast in steps]


def promoted(days: list[int], announced: int, regions: int = 4) -> CovariateTable:
    """Return promotions in the first regions on days after the first, announced days before."""
    keys = tuple((f"region {n}", None) for n in range(regions))
    bins = np.repeat(np.array(days), regions) + FIRST_BIN
    known_at = np.array([GRID.start(int(bin_) - announced) for bin_ in bins])
    places = np.tile(np.arange(regions), len(days))
    ones = np.ones(len(bins))
    return CovariateTable([Covariate("promotion", keys, bins, places, ones, known_at, 0.0)])


PROMOTIONS = [40, 41, 60, 75, 76, 77, 90, 110, 125, 126, 140]


def doubled() -> Values:
    """Return orders that promotions in four regions double, (bin, cell, series)."""
    random = np.random.default_rng(3)
    mean = np.resize(WEEK, 150)[:, None, None] * np.full((len(CELLS), 1), 0.8)
    mean[PROMOTIONS, :4] *= 2.0
    return random.poisson(mean).astype(np.float64)


def promoted_error(known: CovariateTable | None, lead: int) -> float:
    """Return the mean absolute error of promoted cells in the later promotions."""
    slabs = doubled()
    model = Forecaster(replace(PROFILE, holidays=None), known=known)
    said = [model.step(Slab(b, row), CELLS, {})[1].mean for b, row in enumerate(slabs, FIRST_BIN)]
    away = [said[n - lead][0, :4, lead - 1] - slabs[n, :4, 0] for n in PROMOTIONS if n >= 75]
    return float(np.abs(away).mean())


def test_a_promotion_known_ahead_is_forecast() -> None:
    ignorant, knowing = (promoted_error(known, 4) for known in (None, promoted(PROMOTIONS, 7)))
    assert knowing < 0.5 * ignorant


def test_a_promotion_announced_after_the_origin_is_not_known_there() -> None:
    slabs = doubled()[:90]
    late, none_ahead = promoted(PROMOTIONS, 2), promoted([n for n in PROMOTIONS if n < 90], 2)
    means = []
    for known in (late, none_ahead, promoted(PROMOTIONS, 7)):
        model = Forecaster(replace(PROFILE, holidays=None), known=known)
        steps = [model.step(Slab(b, row), CELLS, {}) for b, row in enumerate(slabs, FIRST_BIN)]
        means.append(steps[86][1].mean)  # of day 90 at lead 4, announced when day 87 ends
    assert means[0].tobytes() == means[1].tobytes()
    assert (means[2][0, :4, 3] > 1.5 * means[0][0, :4, 3]).all()


def test_an_outage_tells_nothing_of_what_covariates_do() -> None:
    slabs = doubled()
    days = np.arange(150)
    warmth = np.sin(days / 5.0)
    row = (days + FIRST_BIN, np.zeros(150, np.int64), warmth, np.full(150, ALWAYS))
    known = CovariateTable([Covariate("warmth", ((None, None),), *row)])
    effects = []
    for silent in (0.0, np.nan):
        slabs[108:111] = silent
        model = Forecaster(replace(PROFILE, holidays=None), known=known)
        for bin_, values in enumerate(slabs, FIRST_BIN):
            model.step(Slab(bin_, values), CELLS, {})
        effects.append(model.snapshot()["surroundings/outlook/effects/effects"])
    assert effects[0].tobytes() == effects[1].tobytes()


def errors(forecasts: list[Forecast], slabs: Values, wanted: list[date]) -> Values:
    """Return absolute errors at lead 3 on the days ``wanted``, sums over cells."""
    places = [(day - date(1970, 1, 1)).days - FIRST_BIN for day in wanted]
    said = np.array([forecasts[place - 3].mean[0, :, 2].sum() for place in places])
    return np.abs(said - slabs[places, :, 0].sum(axis=1))


BANK_HOLIDAYS = [date(2011, 4, 25), date(2011, 4, 29), date(2011, 5, 2), date(2011, 5, 30)]
DAYS_LATER = [date(2011, 5, 9), date(2011, 5, 10), date(2011, 6, 6), date(2011, 6, 7)]


def test_a_shop_that_is_shut_on_holidays_is_forecast_so_and_the_days_later_no_worse() -> None:
    slabs = shop(230, on_holidays=0.0)
    _, known = run(PROFILE, slabs)
    _, unknown = run(replace(PROFILE, holidays=None), slabs)
    before, after = (errors(said, slabs, BANK_HOLIDAYS).mean() for said in (unknown, known))
    assert after < 0.35 * before
    before, after = (errors(said, slabs, DAYS_LATER).mean() for said in (unknown, known))
    assert after < 1.05 * before


def test_a_region_that_keeps_no_holiday_is_forecast_as_ever() -> None:
    slabs = shop(230, on_holidays=0.0)
    slabs[:, 4:] = shop(230, on_holidays=1.0)[:, 4:]
    english = tuple((f"region {n}", "GB-ENG") for n in range(4))
    own = replace(PROFILE, holidays=None, region_holidays=english)
    days = [(day - date(1970, 1, 1)).days - FIRST_BIN for day in BANK_HOLIDAYS]
    away = []
    for profile in (PROFILE, own):
        _, said = run(profile, slabs)
        away.append([np.abs(said[n - 3].mean[0, :, 2] - slabs[n, :, 0]).sum() for n in days])
    assert np.mean(away[1]) < 0.5 * np.mean(away[0])


def test_a_region_keeps_its_own_holidays_and_no_others() -> None:
    region_holidays = (("region 0", "JP"),)
    terms = HolidayTerms(replace(PROFILE, region_holidays=region_holidays), Calendar(GRID))
    terms.meet(CELLS[:2])
    wedding = FIRST_BIN + 179
    assert GRID.local(wedding).date() == date(2011, 4, 29)  # Showa Day in Japan
    of_days = [wedding, wedding + 3, wedding + 4]  # 2 May: England; 3 May: Japan
    usual, level = UsualWeek(Calendar(GRID), 1, memory=50), np.ones((2, 1))
    usual.relate(Kin.of(CELLS[:2], {}))
    kept = [terms.of(bin_, usual, level)[0, :, 0].tolist() for bin_ in of_days]
    assert kept == [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]


def test_holidays_that_change_nothing_cost_little() -> None:
    slabs = shop(230, on_holidays=1.0)
    _, known = run(PROFILE, slabs)
    _, unknown = run(replace(PROFILE, holidays=None), slabs)
    every = [GRID.local(FIRST_BIN + n).date() for n in range(60, 230)]
    before, after = (errors(said, slabs, every).mean() for said in (unknown, known))
    assert after < 1.05 * before


def test_a_restored_forecaster_knows_what_holidays_do() -> None:
    slabs = shop(200, on_holidays=0.0)
    model, _ = run(PROFILE, slabs[:150])
    other = Forecaster(PROFILE)
    other.restore({name: array.copy() for name, array in model.snapshot().items()})
    for bin_, row in enumerate(slabs[150:], FIRST_BIN + 150):
        one, two = (each.step(Slab(bin_, row), CELLS, {})[1] for each in (model, other))
        assert one.quantiles.tobytes() == two.quantiles.tobytes()


def test_a_correction_of_a_holiday_is_taken_without_what_the_holiday_does() -> None:
    slabs = shop(150, on_holidays=0.5)  # ends on 30 March
    slabs = np.concatenate([slabs, shop(180, on_holidays=0.5)[150:177]])  # to 26 April
    model, _ = run(PROFILE, slabs)
    window = model.snapshot()["window/values"]
    easter_monday = FIRST_BIN + 175
    assert GRID.local(easter_monday).date() == date(2011, 4, 25)
    model.correct(Slab(easter_monday, slabs[175], revision=1))
    assert model.snapshot()["window/values"].tobytes() == window.tobytes()
    assert (window[-2] > 1.2 * slabs[175]).all()


def test_a_correction_may_bring_a_new_cell() -> None:
    slabs = shop(60, on_holidays=0.5)
    model, _ = run(PROFILE, slabs)
    model.correct(Slab(FIRST_BIN + 58, np.concatenate([slabs[58], [[7.0]]]), revision=1))
    assert model.snapshot()["window/values"][-2, -1] == 7.0


def test_without_holidays_nothing_is_multiplied() -> None:
    model, _ = run(replace(PROFILE, holidays=None), shop(30, on_holidays=1.0))
    assert model.snapshot()["surroundings/outlook/effects/effects"].size == 0
    assert (model.snapshot()["window/values"][-1] == shop(30, 1.0)[-1]).all()
