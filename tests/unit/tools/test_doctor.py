"""How the doctor judges what it has seen, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings, parse_settings
from tidecast.streams.schemas.checkpoints import CheckpointManifest
from tidecast.streams.topics import plan_topics
from tidecast.tools.doctor.command import line
from tidecast.tools.doctor.findings import Finding, fail, guarded, merged, ok, warn
from tidecast.tools.doctor.groups import judge_group
from tidecast.tools.doctor.logs import judge_checkpoint
from tidecast.tools.doctor.machine import room
from tidecast.tools.doctor.seen import BrokerSeen, TopicSeen
from tidecast.tools.doctor.topics import judge_broker, judge_topics
from tidecast.tools.main import run

PARTITIONS = 3
ALL = frozenset({"READ", "WRITE", "DELETE", "DESCRIBE"})


def settings(**kafka: object) -> Settings:
    return parse_settings(
        {
            "sources": [{"name": "clicks", "topic": "clicks", "stream": "click"}],
            "series": [{"name": "traffic", "stream": "click", "aggregate": "count"}],
            "kafka": kafka,
        }
    )


def healthy(shop: Settings) -> dict[str, TopicSeen]:
    """Return every topic as ``tidecast topics create`` makes it."""
    return {
        plan.name: TopicSeen(plan.partitions, False, 1, 1, plan.config, ALL)
        for plan in plan_topics(shop, PARTITIONS)
    }


def judged(topics: Mapping[str, TopicSeen], shop: Settings, brokers: int = 1) -> list[Finding]:
    return list(judge_topics(shop, BrokerSeen((4, 1), brokers, topics)))


def judged_with(name: str, brokers: int = 1, **changes: object) -> Finding:
    """Return the finding about one topic that is otherwise as planned."""
    shop = settings()
    topics = healthy(shop)
    if "config" in changes:
        changes["config"] = {**(topics[name].config or {}), **dict(changes["config"])}  # type: ignore[call-overload]
    topics[name] = replace(topics[name], **changes)  # type: ignore[arg-type]
    found = judged(topics, shop, brokers)
    assert [f.level for f in found if f.subject != f"topic {name}"] == ["ok"] * (len(topics) - 1)
    return next(f for f in found if f.subject == f"topic {name}")


def test_topics_as_planned_need_nothing() -> None:
    shop = settings()
    assert {finding.level for finding in judged(healthy(shop), shop)} == {"ok"}


@pytest.mark.parametrize(
    ("name", "changes", "level", "found", "remedy"),
    [
        ("clicks", {"partitions": 0}, "fail", "does not exist", "`tidecast topics create`"),
        (
            "tidecast.cuts",
            {"denied": True, "partitions": 0},
            "fail",
            "may not see it",
            "--operation Describe --operation Read --operation Write --topic tidecast.cuts",
        ),
        (
            "clicks",
            {"config": {"cleanup.policy": "compact"}},
            "fail",
            "takes records away",
            "--topic clicks --add-config cleanup.policy=delete",
        ),
        (
            "tidecast.cuts",
            {"config": {"cleanup.policy": "compact,delete"}},
            "fail",
            "cleanup.policy is compact,delete",
            "cleanup.policy=delete",
        ),
        (
            "tidecast.checkpoints",
            {"config": {"retention.ms": "604800000"}},
            "fail",
            "records go after 7 d",
            "retention.ms=-1",
        ),
        ("clicks", {"config": {"retention.ms": "604800000"}}, "ok", "as planned", ""),
        ("clicks", {"config": {"retention.ms": "3600000"}}, "warn", "after 1.0 h", "retention.ms"),
        (
            "tidecast.windows",
            {"config": {"retention.bytes": "1000"}},
            "fail",
            "beyond 1000 bytes",
            "retention.bytes=-1",
        ),
        (
            "tidecast.cuts",
            {"config": {"max.message.bytes": "1048588"}},
            "warn",
            "1048588 bytes only",
            "max.message.bytes=67108864",
        ),
        (
            "clicks",
            {"config": {"message.timestamp.after.max.ms": "3600000"}},
            "warn",
            "1.0 h after its clock",
            "message.timestamp.after.max.ms=",
        ),
        (
            "clicks",
            {"config": {"min.insync.replicas": "2"}},
            "fail",
            "takes no writes: 1 of 1 copies",
            "min.insync.replicas=1",
        ),
        (
            "clicks",
            {"replicas": 3, "in_sync": 3, "config": {"min.insync.replicas": "3"}},
            "warn",
            "one broker away stops all writes",
            "min.insync.replicas=2",
        ),
        (
            "clicks",
            {"replicas": 3, "in_sync": 3, "config": {"min.insync.replicas": "1"}},
            "warn",
            "one copy is enough",
            "min.insync.replicas=2",
        ),
        (
            "tidecast.late",
            {"rights": frozenset({"DESCRIBE", "READ"})},
            "fail",
            "may not write",
            "--operation Write --topic tidecast.late",
        ),
        (
            "tidecast.checkpoints",
            {"partitions": 2},
            "warn",
            "the sources need 4",
            "--alter --topic tidecast.checkpoints --partitions 4",
        ),
    ],
)
def test_what_is_not_as_planned_is_named_with_its_remedy(
    name: str, changes: dict[str, object], level: str, found: str, remedy: str
) -> None:
    finding = judged_with(name, **changes)  # type: ignore[arg-type]
    assert finding.level == level
    assert found in finding.found
    assert remedy in finding.remedy


def test_a_broker_that_tells_no_rights_is_not_blamed_for_them() -> None:
    assert judged_with("clicks", rights=None).level == "ok"


def test_fewer_copies_than_wished_are_a_warning_where_there_are_brokers_for_them() -> None:
    shop = settings(replication_factor=3)
    assert {f.level for f in judged(healthy(shop), shop, brokers=1)} == {"ok"}
    found = judged(healthy(shop), shop, brokers=3)
    assert {f.level for f in found} == {"warn"}
    assert "1 copies, kafka.replication_factor is 3" in found[0].found


def test_the_user_of_the_settings_stands_in_the_command_that_grants_rights() -> None:
    shop = settings(sasl={"user": "ann", "password": "secret"})
    topics = healthy(shop) | {"clicks": TopicSeen(denied=True)}
    (finding,) = (f for f in judged(topics, shop) if f.level == "fail")
    assert "user ann may not see it" in finding.found
    assert "--allow-principal User:ann" in finding.remedy
    assert "secret" not in str(finding)


def test_an_old_broker_is_a_warning() -> None:
    for version, level in (((2, 2), "warn"), ((2, 3), "ok"), ((4, 1), "ok")):
        (finding,) = judge_broker(settings().kafka, BrokerSeen(version, 1, {}))
        assert finding.level == level


@pytest.mark.parametrize(
    ("members", "behind", "level", "remedy"),
    [
        (0, 0, "warn", "`tidecast worker sink`"),
        (1, 10, "ok", ""),
        (1, 1_000_000, "warn", "start more"),
    ],
)
def test_a_group_without_workers_or_far_behind_is_a_warning(
    members: int, behind: int, level: str, remedy: str
) -> None:
    finding = judge_group("sink", "tidecast.sink", members, behind)
    assert finding.level == level
    assert remedy in finding.remedy


def test_a_checkpoint_of_other_settings_fails() -> None:
    manifest = CheckpointManifest(
        owner="forecast/0",
        id="1-a",
        position=1,
        settings="abc",
        chunks=1,
        size=1,
        sha256="0",
        seal="0",
    )
    assert judge_checkpoint(manifest, "abc") is None
    finding = judge_checkpoint(manifest, "def")
    assert finding is not None
    assert (finding.level, finding.subject) == ("fail", "checkpoint of forecast/0")
    assert "tidecast migrate" in finding.remedy
    unsigned = judge_checkpoint(manifest, "abc", "it is not signed: sign it")
    assert unsigned is not None
    assert (unsigned.level, unsigned.found) == ("fail", "it is not signed")
    assert unsigned.remedy == "sign it"


def test_room_is_judged_by_what_is_left() -> None:
    gib = 1 << 30
    levels = [room("disk", free, 100 * gib, "free some").level for free in (2 * gib, gib - 1, 1)]
    assert levels == ["ok", "warn", "fail"]


def test_several_findings_about_one_thing_are_one_line_as_bad_as_the_worst() -> None:
    found = merged("x", [warn("", "a", "do a"), fail("", "b", "do b"), warn("", "c", "do a")], "")
    assert found == Finding("fail", "x", "a; b; c", "do a; do b")
    assert merged("x", [], "all well") == ok("x", "all well")


def test_an_error_ends_its_own_check_only() -> None:
    def check() -> object:
        yield ok("broker", "there")
        raise ServiceError("it is gone: start it")

    found = list(guarded("broker", check))  # type: ignore[arg-type]
    assert found == [ok("broker", "there"), fail("broker", "it is gone", "start it")]


def test_a_finding_is_one_line_whatever_it_says() -> None:
    shown = line(fail("clickhouse", "a\nb", "mend\n it"))
    assert "clickhouse: a b -> mend it" in shown
    assert "\n" not in shown


def test_wrong_settings_are_a_finding_and_exit_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["--settings", str(tmp_path / "none.toml"), "doctor", "--json"])
    assert code == 2
    (finding,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (finding["level"], finding["subject"]) == ("fail", "settings")
    assert "tidecast init" in finding["found"]
