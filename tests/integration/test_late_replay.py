"""``tidecast late replay`` on a live run: what came too late is in the store afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clicks import click, minutes
from counted import SETTINGS, Shop, before, recount, stored, words
from live import live

from tidecast.streams.store import open_server
from tidecast.tools.services import Endpoints


@pytest.fixture
def shop(services: Endpoints, topic_prefix: str, tmp_path: Path) -> Iterator[Shop]:
    """All workers at work on a source with two partitions."""
    assert services.kafka is not None
    assert services.clickhouse is not None
    login = services.clickhouse.environment()
    with live(tmp_path, services.kafka.bootstrap, topic_prefix, SETTINGS, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        for role in ("ingest", "forecast", "sink"):
            pipeline.start(role)
        store = open_server(pipeline.settings.clickhouse)
        store.migrate()
        yield Shop(pipeline, store)
        store.close()


def wait_for_final_bins(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Wait until the sink has told that it stored the last revision of all late bins."""

    def are_final() -> bool:
        assert shop.command("late", "replay", "--dry-run") == 0
        return "may still be corrected 0" in words(capsys)

    shop.pipeline.wait(are_final, "the last revisions of late bins")


def test_late_events_are_folded_in_once_and_later_ones_after_them(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.send(0, minutes(0, 12))
    shop.send(1, minutes(0, 12, "south"))
    shop.send(0, [click(120, kind="cart", value=4.0), click(125, "east"), click(300, value=2.0)])
    shop.send(0, minutes(12, 14))
    shop.send(1, minutes(12, 14, "south"))
    shop.wait_for_store(12)
    shop.pipeline.wait(lambda: shop.late("late") == 3, "late events to be told")
    wait_for_final_bins(shop, capsys)
    untouched = stored(shop.store, 12)
    assert untouched != before(12, recount(shop.sent))

    assert shop.command("late", "replay", "--dry-run") == 0
    assert stored(shop.store, 12) == untouched
    out = words(capsys)
    assert "2026-01-31T12:02:00Z east books traffic nothing 1" in out
    assert "nothing was written" in out
    assert shop.command("late", "replay") == 0
    assert stored(shop.store, 12) == before(12, recount(shop.sent))
    assert shop.command("late", "replay") == 0
    assert "nothing to fold" in words(capsys)
    assert shop.command("verify", "--kafka") == 0
    assert "with late events folded in 2" in words(capsys)

    shop.send(0, [click(130, value=9.0), click(360)])
    shop.pipeline.wait(lambda: shop.late("late") == 5, "more late events to be told")
    assert shop.command("verify", "--kafka") == 0
    assert shop.command("late", "replay") == 0
    assert stored(shop.store, 12) == before(12, recount(shop.sent))
    assert shop.command("verify", "--kafka") == 0

    shop.tamper(2, "worth", 77.0)
    shop.send(0, [click(135)])
    shop.pipeline.wait(lambda: shop.late("late") == 6, "one more late event to be told")
    assert shop.command("late", "replay") == 1
    out = words(capsys)
    assert "refused: bin 2026-01-31T12:02:00Z: south/books is in the store what the log" in out
    assert "bins refused 1" in out
    assert shop.command("verify", "--kafka") == 1


def test_what_a_partition_that_woke_up_too_late_brings_is_folded_in(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.send(0, minutes(0, 3))
    shop.send(1, minutes(0, 3, "south"))
    shop.pipeline.wait(lambda: shop.idle(1), "partition 1 to be idle")
    shop.send(0, minutes(3, 20))
    shop.wait_for_store(18)
    shop.send(1, [*minutes(3, 6, "south"), click(150, "south"), *minutes(20, 23, "south")])
    shop.send(0, [click(200), *minutes(20, 23)])
    shop.wait_for_store(21)
    shop.pipeline.wait(lambda: shop.late("late_bins") >= 3, "bins to be told as late")
    wait_for_final_bins(shop, capsys)
    assert shop.command("verify", "--kafka") == 0
    assert stored(shop.store, 20) != before(20, recount(shop.sent))
    assert shop.command("late", "replay") == 0
    assert stored(shop.store, 20) == before(20, recount(shop.sent))
    assert "bins folded 4" in words(capsys)
    assert shop.command("late", "replay") == 0
    assert "nothing to fold" in words(capsys)
    assert shop.command("verify", "--kafka") == 0
    assert "with late events folded in 4" in words(capsys)
