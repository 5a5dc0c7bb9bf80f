"""``tidecast deep retrain``."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import click

from tidecast.models.deep.folder import load_model
from tidecast.models.deep.model import Model
from tidecast.models.deep.registry import Registry
from tidecast.models.positions import Positions
from tidecast.state.bins import BinGrid
from tidecast.state.covariates import CovariateTable, Kind
from tidecast.state.errors import SettingsError
from tidecast.state.heard import HeardCovariate
from tidecast.state.settings import Settings
from tidecast.streams.deep_history import LastBins, read_last_bins
from tidecast.streams.deep_models import who_answers
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.crew import stop_with
from tidecast.tools.deep.data import Data
from tidecast.tools.deep.finetune import (
    BATCH_SIZE,
    LEARNING_RATE,
    finetuning,
    tuning_plan,
    usual_steps,
)
from tidecast.tools.deep.job import Shares
from tidecast.tools.deep.judge import LOWEST_PRIORITY
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.train import say_written
from tidecast.tools.deep.trained import check_kind

__all__ = ["retrain"]

ALL = Shares(validated=0.0, tested=0.0)
SEED = 1


@click.command("retrain")
@click.option("--lifeline", type=int, hidden=True)
@pass_settings_file
def retrain(settings_file: SettingsFile, lifeline: int | None) -> None:
    """Go on training the champion of `deep.models` on the last bins of a live shop.

    What comes of it is one more folder there, named by the time: a challenger. Where there is no
    champion yet, the last model by name, which answers, becomes it. A deep worker runs this from
    time to time where `deep.retrain` says so.
    """
    if lifeline is not None:
        stop_with(lifeline, "the deep worker")
    os.nice(LOWEST_PRIORITY)
    settings = settings_file.load()
    registry = Registry(settings.deep.models)
    model, _ = load_model(registry.folder(_champion(settings, registry)))
    data = _data(settings, model, asyncio.run(read_last_bins(settings)))
    check_kind(model, data)
    steps = usual_steps(data, model, ALL, BATCH_SIZE)
    plan = tuning_plan(steps, LEARNING_RATE, BATCH_SIZE, SEED)
    out = registry.root / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    say_written(out, run_job(finetuning(data, model, "all", plan, ALL), out, resume=None))


def _champion(settings: Settings, registry: Registry) -> str:
    """Return the name of the champion; where there is none, who answers becomes it."""
    champion = registry.standing().champion
    return champion or str(registry.promote(who_answers(settings).name).champion)


def _data(settings: Settings, model: Model, told: LastBins) -> Data:
    """Return the values of the series that ``model`` forecasts, in its order, and its covariates.

    Bins from before these were told of are left out.

    Raises
    ------
    SettingsError
        When the settings do not have one of the series, or the bins tell nothing of a covariate.
    """
    ours = [series.name for series in settings.series]
    series = model.about.series
    if lacking := set(series) - set(ours):
        raise SettingsError(f"the champion forecasts {', '.join(sorted(lacking))}: no series here")
    covariates = _covariates(model, told)
    first = max([told.first, *(covariate.since for covariate in covariates)])
    return Data(
        values=told.values[first - told.first :, :, [ours.index(name) for name in series]],
        series=series,
        cells=told.cells,
        grid=BinGrid(settings.bins.width, settings.shop.time_zone),
        first_bin=first,
        positions=Positions(settings.regions).of(told.cells),
        covariates=CovariateTable(covariates),
    )


def _covariates(model: Model, told: LastBins) -> list[HeardCovariate]:
    """Return the covariates of ``model``, in its order.

    Raises
    ------
    SettingsError
        When one of them was never told of.
    """
    there = {(covariate.name, covariate.kind): covariate for covariate in told.covariates}
    wanted: list[tuple[str, Kind]] = [(unit.name, "known") for unit in model.about.future]
    wanted += [(unit.name, "static") for unit in model.about.static]
    if lacking := [f"{name} ({kind})" for name, kind in wanted if (name, kind) not in there]:
        raise SettingsError(
            f"the champion was trained with {', '.join(lacking)}, of which the windows topic tells "
            "nothing: name them in [[covariates]], with `deep` among the experts"
        )
    return [there[each] for each in wanted]
