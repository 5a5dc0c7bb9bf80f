"""The migration of a live pipeline: its checkpoints read under old settings, written under new.

1. no worker of ingest and forecast may run, and the forecaster must have folded every cut;
2. all states are read and migrated before anything is written;
3. each is then written at its position (of two checkpoints with the same one the later counts), the
   forecaster's last; one that moves to another partition of the topic is also written where it
   was, so that nobody goes on there from before.

A migration that was interrupted goes on where it stopped when it is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from kafka import KafkaAdminClient, TopicPartition

from tidecast.models.migrate import migrated_fold
from tidecast.state.changes import Change
from tidecast.state.errors import CheckpointError, ServiceError, SettingsError
from tidecast.state.settings import KafkaSettings
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.clients import admin_client, connect_consumer, translated
from tidecast.streams.migration import Origin, begun_anew, migrated_source, whole_from
from tidecast.streams.outbox import outbox
from tidecast.streams.topics import ensure_partitions, partition_counts, topic_ids, topic_names

__all__ = ["Migrator", "Move", "cuts_end", "refuse_running"]

LEAVE_SECONDS = 20  # a stopped worker with a slot is a member until its session times out
SHARD = Owner.shard(0)
Place = tuple[str, int]  # source, partition


@dataclass(frozen=True)
class Move:
    """A state under the new settings, and the owners it is written for, in this order."""

    checkpoint: Checkpoint
    owners: tuple[Owner, ...]


@dataclass(frozen=True)
class Found:
    """An owner's checkpoint, and whether it was made under the new settings already."""

    checkpoint: Checkpoint
    is_done: bool


class Migrator:
    """Carries the states of all workers over a change of settings.

    Sources in ``anew`` have a topic that was deleted and made again, or that lost its last records.

    Raises
    ------
    SettingsError
        When a source in ``anew`` is none of both settings.
    """

    def __init__(self, change: Change, anew: Sequence[str] = ()) -> None:
        for name in anew:
            if name not in change.kept_sources:
                known = ", ".join(change.kept_sources)
                raise SettingsError(f"--anew {name}: there is no such source; use one of {known}")
        self._change = change
        self._anew = anew
        self._kafka = change.new.kafka
        self._topics = topic_names(self._kafka.topic_prefix)
        self._old, self._new = CheckpointLog(change.old), CheckpointLog(change.new)

    async def plan(self) -> list[Move]:
        """Read all states, and return what is to be written; nothing where all is done.

        Raises
        ------
        CheckpointError
            When there is nothing to migrate, or a state cannot be.
        ServiceError
            When a worker runs, there is no broker, or a source has no topic.
        """
        await refuse_running([self._change.old.kafka, self._kafka])
        kept, joining = await asyncio.to_thread(self._places)
        room = await asyncio.to_thread(self._room)
        former = {place: Owner.source(self._change.old, *place) for place in kept}
        fresh = {place: Owner.source(self._change.new, *place) for place in joining}
        found = await self._read({p: o for p, o in former.items() if o.partition < room})
        forecaster = (await self._read({("", 0): SHARD})).get(("", 0))
        await self._refuse_leftovers({p: o for p, o in fresh.items() if o.partition < room})
        if forecaster is not None and forecaster.is_done:
            return []
        checkpoint = await asyncio.to_thread(self._ready, forecaster, bool(found))
        origins = await asyncio.to_thread(self._origins, kept)
        moves = [
            self._move(place, each.checkpoint, origins.get(place))
            for place, each in found.items()
            if not each.is_done
        ]
        return [*moves, self._last(checkpoint, found, kept, joining)]

    async def write(self, moves: Sequence[Move]) -> None:
        """Write what was planned, and forget how far dropped sources were read.

        Raises
        ------
        ServiceError
            When the broker refuses.
        """
        last = max((owner.partition for move in moves for owner in move.owners), default=0)
        await asyncio.to_thread(ensure_partitions, self._kafka, self._topics.checkpoints, last + 1)
        try:
            async with outbox(self._kafka) as sender:
                for move in moves:
                    for owner in move.owners:
                        await self._new.write(sender, owner, move.checkpoint)
        except KafkaError as error:
            raise ServiceError(
                f"Kafka refuses ({error!r}): run the same migration again to finish it"
            ) from error
        await asyncio.to_thread(self._forget_offsets)

    def _places(self) -> tuple[list[Place], list[Place]]:
        """Return the partitions of kept and of added sources."""
        topics = {source.name: source.topic for source in self._change.new.sources}
        counts = partition_counts(self._kafka, topics.values())

        def places(sources: Iterable[str]) -> list[Place]:
            return [(name, n) for name in sources for n in range(counts[topics[name]])]

        return places(self._change.kept_sources), places(self._change.added_sources)

    def _origins(self, kept: Sequence[Place]) -> dict[Place, Origin]:
        """Return where the topics of sources in ``anew`` are by now."""
        topics = {each.name: each.topic for each in self._change.new.sources}
        places = {p: TopicPartition(topics[p[0]], p[1]) for p in kept if p[0] in self._anew}
        if not places:
            return {}
        ids = topic_ids(self._kafka, sorted({place.topic for place in places.values()}))
        with translated(self._kafka), connect_consumer(self._kafka) as consumer:
            ends = consumer.end_offsets(list(places.values()))
        return {place: Origin(ids[tp.topic], ends[tp]) for place, tp in places.items()}

    def _room(self) -> int:
        """Return how many partitions the checkpoints topic has: there is nothing beyond them."""
        return partition_counts(self._kafka, [self._topics.checkpoints])[self._topics.checkpoints]

    async def _read(self, owners: dict[Place, Owner]) -> dict[Place, Found]:
        """Return the best checkpoint of each that has one, under the old or the new settings."""
        found: dict[Place, Found] = {}
        for place, owner in owners.items():
            try:
                best, is_done = (await self._old.read([owner])).get(owner), False
            except CheckpointError as refusal:
                try:
                    best, is_done = (await self._new.read([owner])).get(owner), True
                except CheckpointError:
                    raise refusal from None
            if best is not None:
                found[place] = Found(best, is_done)
        return found

    async def _refuse_leftovers(self, owners: dict[Place, Owner]) -> None:
        """Refuse to add a source of a name that had another meaning before."""
        for place, owner in owners.items():
            try:
                await self._new.read([owner])
            except CheckpointError as error:
                raise CheckpointError(
                    f"there was a source {place[0]!r} before, under other settings: give the new "
                    "one a name of its own"
                ) from error

    def _ready(self, forecaster: Found | None, is_ingest_there: bool) -> Checkpoint:
        """Return the forecaster's checkpoint, which must know every cut."""
        end = cuts_end(self._kafka)
        if forecaster is None and not end and not is_ingest_there:
            raise CheckpointError(
                f"there is no checkpoint in topic {self._topics.checkpoints}: nothing was learnt "
                "yet; start with the new settings, or mend kafka.topic_prefix"
            )
        position = 0 if forecaster is None else forecaster.checkpoint.position
        if forecaster is None or position < end:
            raise CheckpointError(
                f"the forecaster has folded {position} of {end} records of {self._topics.cuts}: "
                "run `tidecast worker forecast` under the old settings until it has caught up, "
                "stop it with SIGTERM, and migrate then"
            )
        return forecaster.checkpoint

    def _move(self, place: Place, checkpoint: Checkpoint, origin: Origin | None) -> Move:
        data = migrated_source(self._change, place[0], checkpoint.data)
        if origin is not None:
            data = begun_anew(self._change.new, place, data, origin)
        owner, former = (Owner.source(s, *place) for s in (self._change.new, self._change.old))
        # Where it was too: nobody may go on there under the old settings.
        owners = (owner,) if owner == former else (owner, former)
        return Move(Checkpoint(checkpoint.position, data), owners)

    def _last(
        self,
        checkpoint: Checkpoint,
        found: dict[Place, Found],
        kept: Sequence[Place],
        joining: Sequence[Place],
    ) -> Move:
        states = [(source, each.checkpoint.data) for (source, _), each in found.items()]
        whole = whole_from(self._change, states)
        there = dict.fromkeys(self._anew, 0)
        for source, _ in (place for place in kept if place[0] in there):
            there[source] += 1
        data = migrated_fold(self._change, checkpoint.data, whole, joining, there)
        return Move(Checkpoint(checkpoint.position, data), (SHARD,))

    def _forget_offsets(self) -> None:
        """Let a source that was dropped be read anew, should it ever come back."""
        dropped = self._change.dropped_sources
        topics = {each.topic for each in self._change.old.sources if each.name in dropped}
        group = f"{self._kafka.group}.ingest"
        with admin_client(self._kafka) as admin:
            if not topics or group not in _groups(admin):
                return
            known = admin.list_group_offsets(group)[group]
            if places := [place for place in known if place.topic in topics]:
                admin.delete_group_offsets(group, places)


async def refuse_running(settings: Sequence[KafkaSettings]) -> None:
    """Wait a while until no worker of ingest and forecast is a member of its group.

    Raises
    ------
    ServiceError
        When some still are, or there is no broker.
    """
    for each in settings:
        for _ in range(LEAVE_SECONDS):
            if not (running := await asyncio.to_thread(_members, each)):
                break
            await asyncio.sleep(1.0)
        else:
            raise ServiceError(
                f"workers are running ({', '.join(running)}): stop those of ingest and forecast "
                "with SIGTERM first"
            )


def cuts_end(settings: KafkaSettings) -> int:
    """Return how many records the cuts topic has had.

    Raises
    ------
    ServiceError
        When there is no broker.
    """
    place = TopicPartition(topic_names(settings.topic_prefix).cuts, 0)
    with translated(settings), connect_consumer(settings) as consumer:
        end: int = consumer.end_offsets([place])[place]
    return end


def _members(settings: KafkaSettings) -> list[str]:
    wanted = [f"{settings.group}.{role}" for role in ("ingest", "forecast")]
    with admin_client(settings) as admin:
        there = [group for group in wanted if group in _groups(admin)]
        answers = admin.describe_groups(there) if there else {}
    return [
        str(member["group_instance_id"] or member["member_id"])
        for answer in answers.values()
        for member in answer["members"]
    ]


def _groups(admin: KafkaAdminClient) -> set[str]:
    return {group["group_id"] for group in admin.list_groups()}
