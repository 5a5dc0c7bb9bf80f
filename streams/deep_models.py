"""The model that a deep worker answers with: the champion of a folder, or the newest there."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.registry import Registry
from tidecast.state.bins import BinGrid
from tidecast.state.errors import CheckpointError, SettingsError
from tidecast.state.settings import Settings
from tidecast.streams.metrics import note_swap

__all__ = ["ModelShelf", "load_live"]

logger = logging.getLogger(__name__)


def load_live(settings: Settings, name: str) -> LiveModel:
    """Return a model of the settings' folder, among their series, bins and leads.

    Raises
    ------
    CheckpointError
        When it is not there, or damaged.
    SettingsError
        When it does not fit the settings.
    """
    model, _ = load_model(Registry(settings.deep.models).folder(name), pick_device())
    series = [series.name for series in settings.series]
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    covariates = {covariate.name: covariate.kind for covariate in settings.covariates}
    return LiveModel(name, model, series, grid, settings.forecast.horizon, covariates)


class ModelShelf:
    """Looks for models in the folder of the settings.

    One that cannot be read, or does not fit the settings, is told of once and passed over: the one
    before it answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = Registry(settings.deep.models)
        self._current: str | None = None
        self._refused: set[str] = set()

    @property
    def lack(self) -> str:
        """What to say where there is no model."""
        return f"no model in {self._registry.root}: `tidecast deep train` makes one"

    def look(self) -> LiveModel | None:
        """Return the model to answer with from now on; None where it is the one of before."""
        for name in self._candidates():
            if name == self._current:
                return None
            if name not in self._refused and (model := self._tried(name)) is not None:
                self._current = name
                return model
        return None

    def _candidates(self) -> Sequence[str]:
        """Return who may answer, the champion or else the last by name first."""
        try:
            standing = self._registry.standing()
        except CheckpointError as error:
            logger.error("%s", error)
            return ()
        if standing.champion is not None:
            return standing.champion, *reversed(standing.before)
        names = reversed(self._registry.names())
        return [name for name in names if name not in standing.rejected]

    def _tried(self, name: str) -> LiveModel | None:
        try:
            model = load_live(self._settings, name)
        except (CheckpointError, SettingsError) as error:
            logger.error("%s", error)
            note_swap("refused")
            self._refused.add(name)
            return None
        logger.warning("model %s answers from now on", name)
        note_swap("swapped")
        return model
