"""The model that a deep worker answers with: the last whole one of a folder, by name."""

from __future__ import annotations

import logging
from pathlib import Path

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import list_models, load_model
from tidecast.models.deep.live import LiveModel
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
        self._root = settings.deep.models
        self._series = [series.name for series in settings.series]
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self._horizon = settings.forecast.horizon
        self._current: Path | None = None
        self._refused: set[Path] = set()

    @property
    def lack(self) -> str:
        """What to say where there is no model."""
        return f"no model in {self._root}: `tidecast deep train` makes one"

    def look(self) -> LiveModel | None:
        """Return the model to answer with from now on; None where it is the one of before."""
        for folder in reversed(list_models(self._root)):
            if folder == self._current:
                return None
            if folder not in self._refused and (model := self._tried(folder)) is not None:
                self._current = folder
                return model
        return None

    def _tried(self, folder: Path) -> LiveModel | None:
        try:
            model = self._load(folder)
        except (CheckpointError, SettingsError) as error:
            logger.error("%s", error)
            note_swap("refused")
            self._refused.add(folder)
            return None
        logger.warning("model %s answers from now on", folder.name)
        note_swap("swapped")
        return model

    def _load(self, folder: Path) -> LiveModel:
        model, _ = load_model(folder, pick_device())
        return LiveModel(folder.name, model, self._series, self._grid, self._horizon)
