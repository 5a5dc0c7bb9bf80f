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

__all__ = ["ModelShelf"]

logger = logging.getLogger(__name__)


class ModelShelf:
    """Looks for models in the folder of the settings.

    One that cannot be read, or does not fit the settings, is told of once and passed over: the one
    before it answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._registry = Registry(settings.deep.models)
        self._series = [series.name for series in settings.series]
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self._horizon = settings.forecast.horizon
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
            model = self._load(name)
        except (CheckpointError, SettingsError) as error:
            logger.error("%s", error)
            note_swap("refused")
            self._refused.add(name)
            return None
        logger.warning("model %s answers from now on", name)
        note_swap("swapped")
        return model

    def _load(self, name: str) -> LiveModel:
        model, _ = load_model(self._registry.folder(name), pick_device())
        return LiveModel(name, model, self._series, self._grid, self._horizon)
