"""The judge: who runs beside the champion on the live stream, is promoted or brought back.

It stands apart from the worker that answers, in a process of its own: what it costs, and what goes
wrong with it, holds up no answer. It keeps nothing but the registry. Trials are made again from the
tail of the windows topic, so one that was killed comes to the same decisions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing

from aiokafka.errors import KafkaError

from tidecast.models.deep.contest import Contest, Decision, Parties
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.promotion import Bounds
from tidecast.models.deep.registry import Registry
from tidecast.models.deep.standing import LineUp
from tidecast.state.errors import CheckpointError, ServiceError, SettingsError
from tidecast.state.settings import Settings
from tidecast.streams.deep_models import load_live
from tidecast.streams.deep_windows import tell
from tidecast.streams.follow import Fetched, follow
from tidecast.streams.topics import topic_names

__all__ = ["Judge"]

logger = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
BOUNDS = Bounds()


class Judge:
    """Judges the models of the settings' folder by the bins that close; each decision is said."""

    def __init__(
        self, settings: Settings, say: Callable[[Decision], None], bounds: Bounds = BOUNDS
    ) -> None:
        self._settings, self._say, self._bounds = settings, say, bounds
        self._topic = topic_names(settings.kafka.topic_prefix).windows
        self._series = [series.name for series in settings.series]
        self._registry = Registry(settings.deep.models)

    async def run(self) -> None:
        """Judge until nobody is left to be judged.

        Raises
        ------
        CheckpointError
            When the registry is damaged, or cannot be written.
        ServiceError
            When the broker is away, or there is no topic of windows.
        """
        try:
            while (line_up := self._registry.line_up()) is not None:
                await self._session(line_up)
        except (KafkaError, TimeoutError) as error:
            raise ServiceError(f"the broker does not answer the judge: {error!r}") from error

    async def _session(self, line_up: LineUp) -> None:
        """Judge those of a line-up until it is another one."""
        parties = self._parties(line_up)
        if parties is None or self._registry.line_up() != line_up:
            while self._registry.line_up() == line_up:
                await asyncio.sleep(LOOK_SECONDS)
            return
        contest = Contest(
            parties,
            len(self._series),
            self._settings.regions,
            self._bounds,
            patience=self._settings.deep.deadline / 1e6,
            clock=time.perf_counter,
        )
        back = 2 * contest.n_bins  # there may be as many corrections as bins
        looked = time.monotonic()
        async with aclosing(follow(self._settings.kafka, self._topic, back)) as windows:
            async for fetched in windows:
                self._take(contest, fetched)
                if self._decide(contest):
                    return
                if time.monotonic() - looked >= LOOK_SECONDS:
                    if self._registry.line_up() != line_up:
                        return
                    looked = time.monotonic()

    def _parties(self, line_up: LineUp) -> Parties | None:
        """Return the models of a line-up, as far as they can be loaded; None without two."""
        champion = self._loaded(line_up.champion)
        if champion is None:
            return None
        challengers = tuple(filter(None, map(self._challenger, line_up.challengers)))
        former = self._loaded(line_up.former) if line_up.former else None
        return Parties(champion, challengers, former) if challengers or former else None

    def _loaded(self, name: str) -> LiveModel | None:
        try:
            return load_live(self._settings, name)
        except (CheckpointError, SettingsError) as error:
            logger.error("%s", error)
            return None

    def _challenger(self, name: str) -> LiveModel | None:
        """Return a challenger; one that cannot be loaded is rejected: others wait behind it."""
        try:
            return load_live(self._settings, name)
        except (CheckpointError, SettingsError) as error:
            self._registry.reject(name)
            self._say(Decision(model=name, outcome="rejected", reason=str(error)))
            return None

    def _take(self, contest: Contest, fetched: list[Fetched]) -> None:
        """Tell the contest of all windows that were fetched; at their end it begins to watch."""
        for partition, values, _ in fetched:
            for value in values:
                tell(contest, self._series, partition, value)
        contest.watching |= bool(fetched) and all(each.is_last for each in fetched)

    def _decide(self, contest: Contest) -> bool:
        """Carry out what is decided; return whether anybody takes another place."""
        done = [d for d in contest.decisions() if self._carry_out(d, contest.parties.champion.name)]
        for decision in done:
            self._say(decision)
        return any(decision.outcome != "kept" for decision in done)

    def _carry_out(self, decision: Decision, champion: str) -> bool:
        """Change the registry as decided; return False where the champion is another by now."""
        registry, name = self._registry, decision.model
        if decision.outcome == "promoted":
            return registry.promote(name, champion).champion == name
        if decision.outcome == "rolled_back":
            return registry.roll_back(champion).role(name) == "rejected"
        if decision.outcome == "rejected":
            registry.reject(name)
        return True
