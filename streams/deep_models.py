"""The model that a deep worker answers with: the champion of a folder, or the newest there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.registry import Registry
from tidecast.state.bins import BinGrid
from tidecast.state.errors import CheckpointError, SettingsError, TidecastError
from tidecast.state.settings import Settings
from tidecast.streams.metrics import note_swap

__all__ = ["ModelShelf", "load_live", "who_answers"]

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


def who_answers(settings: Settings) -> LiveModel:
    """Return the model that a deep worker of these settings answers with when it starts.

    Raises
    ------
    CheckpointError, SettingsError
        When there is none, with what keeps the best one from it.
    """
    registry = Registry(settings.deep.models)
    refused: list[TidecastError] = []
    for name in registry.candidates():
        try:
            return load_live(settings, name)
        except (CheckpointError, SettingsError) as error:
            refused.append(error)
    if refused:
        raise refused[0]
    raise SettingsError(f"no model in {registry.root}: `tidecast deep train` makes the first")


class Made(NamedTuple):
    """A model by its name, and the seal of its folder: None where that is not whole."""

    name: str
    seal: bytes | None


class ModelShelf:
    """Looks for models in the folder of the settings.

    One that cannot be read, or does not fit the settings, is told of once and passed over: the one
    before it answers. One that was made anew under the same name is another one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = Registry(settings.deep.models)
        self._current: Made | None = None
        self._refused: set[Made] = set()

    @property
    def lack(self) -> str:
        """What to say where no model answers."""
        if self._refused:
            return f"no model in {self._registry.root} fits, or can be loaded: the log says why"
        return f"no model in {self._registry.root}: `tidecast deep train` makes one"

    def look(self) -> LiveModel | None:
        """Return the model to answer with from now on; None where it is the one of before."""
        for name in self._candidates():
            made = Made(name, self._registry.seal(name))
            if self._is_current(made):
                return None
            if made not in self._refused and (model := self._tried(made)) is not None:
                self._current = made
                return model
        return None

    def _is_current(self, made: Made) -> bool:
        """Tell whether it is the one that answers; that goes on where its folder is taken away."""
        current = self._current
        return current is not None and made in (current, Made(current.name, None))

    def _candidates(self) -> Sequence[str]:
        """Return who may answer, the best first; nobody where the registry is damaged."""
        try:
            return self._registry.candidates()
        except CheckpointError as error:
            logger.error("%s", error)
            return ()

    def _tried(self, made: Made) -> LiveModel | None:
        try:
            model = load_live(self._settings, made.name)
        except (CheckpointError, SettingsError) as error:
            logger.error("%s", error)
            note_swap("refused")
            self._refused.add(made)
            return None
        except (RuntimeError, MemoryError) as error:  # torch's, of a GPU that is full among others
            logger.error("model %s cannot be loaded for now: %r", made.name, error)
            return None
        logger.warning("model %s answers from now on", made.name)
        note_swap("swapped")
        return model
