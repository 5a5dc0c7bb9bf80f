"""What the forecaster gives, as records."""

from __future__ import annotations

import numpy as np
from shops import shop

from tidecast.models.fold import Closed
from tidecast.models.forecast import Forecast, Totals
from tidecast.state.cells import ALL, Cell
from tidecast.state.slabs import Slab
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.schemas.forecasts import PredictionRecord

CELLS = [Cell("north", "books"), Cell("south", "books")]
SETTINGS = shop()


def of(n_series: int, n_rows: int, mean: float) -> Forecast:
    """Return a forecast of so many rows."""
    shape = (n_series, n_rows, SETTINGS.forecast.horizon)
    levels = len(SETTINGS.forecast.quantile_levels)
    means = np.full(shape, mean, np.float32)
    return Forecast(491_000, means, np.repeat(means[..., None], levels, axis=-1), {})


def test_sums_are_predictions_of_all_regions_or_categories() -> None:
    names = [series.name for series in SETTINGS.series]
    last = len(names) - 1
    totals = Totals((Cell(ALL, ALL),), (last,), of(1, 1, 7.0))
    cells = of(len(names), 2, 3.5)
    forecast = Forecast(cells.origin_bin, cells.mean, cells.quantiles, {}, totals)
    closed = Closed(Slab(491_000, np.zeros((2, len(names)))), CELLS, None, forecast)
    output = ForecastOutput(SETTINGS)
    sent = [each for each in output.records(closed) if each[0] == output.topics.predictions]
    assert len(sent) == 2 * len(names) + 1
    _, key, value = sent[-1]
    assert key == f"{names[last]}|(all)|(all)".encode()
    record = PredictionRecord.model_validate_json(value)
    assert (record.series, record.region, record.category) == (names[last], ALL, ALL)
    assert set(record.mean) == {7.0}
