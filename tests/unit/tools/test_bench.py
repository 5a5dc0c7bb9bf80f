"""The benchmark's records, the reading of outputs, and the arithmetic of the result."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import BinSums, Cut
from tidecast.streams.wire import encode_input
from tidecast.tools.bench import bench
from tidecast.tools.bench.contenders import Contender
from tidecast.tools.bench.contenders.faust import MinuteSums
from tidecast.tools.bench.contenders.job import Report
from tidecast.tools.bench.ingest import result, table
from tidecast.tools.bench.memory import peak_mib
from tidecast.tools.bench.outputs import add_up, cut_rows, window_rows
from tidecast.tools.bench.race import Standing, difference
from tidecast.tools.bench.records import FLUSH_REGION, MINUTE_MS, BenchRecords, Sums
from tidecast.tools.bench.replay import write_log
from tidecast.tools.bench.replay_run import replayed_slabs
from tidecast.tools.bench.shop import sum_settings


def recount(values: list[bytes]) -> Sums:
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for value in values:
        record = orjson.loads(value)
        if record["region"] == FLUSH_REGION:
            continue
        hour, minute = record["event_time"][11:16].split(":")
        window = 1_767_225_600_000 + (int(hour) * 60 + int(minute)) * MINUTE_MS
        entry = sums[window, record["region"], record["category"]]
        entry[0] += 1
        entry[1] += round(record["value"] * 100)
    return {key: (count, cents) for key, (count, cents) in sums.items()}


def test_the_true_sums_are_those_of_the_records_as_written() -> None:
    drawn = BenchRecords.draw(120_000)
    assert len({window for window, _, _ in drawn.sums()}) == 3
    assert recount([record.value for record in drawn.deal(4)]) == drawn.sums()


def test_records_are_the_same_in_every_run_and_of_169_bytes() -> None:
    first, second = (list(BenchRecords.draw(500).deal(4)) for _ in range(2))
    assert first == second
    assert {len(record.value) for record in first[:-4]} == {169}


def test_a_part_of_the_records_is_their_beginning() -> None:
    drawn = BenchRecords.draw(500)
    assert list(drawn.part(0, 50).deal(1))[:50] == list(drawn.deal(1))[:50]


def test_keyed_records_of_a_cell_share_a_partition() -> None:
    homes: dict[bytes | None, set[int]] = defaultdict(set)
    for record in list(BenchRecords.draw(5_000).deal(4, keyed=True))[:-4]:
        homes[record.key].add(record.partition)
    assert None not in homes
    assert {len(partitions) for partitions in homes.values()} == {1}


def test_every_partition_ends_with_a_flush_record_an_hour_ahead() -> None:
    *counted, one, two, three, four = BenchRecords.draw(500).deal(4)
    assert [one.partition, two.partition, three.partition, four.partition] == [0, 1, 2, 3]
    assert four.time_ms == counted[-1].time_ms + 60 * MINUTE_MS


def row(window: int, region: str, count: int, total: float, **more: int) -> bytes:
    return orjson.dumps(
        {"window": window, "region": region, "category": "c", "count": count, "sum": total} | more
    )


def test_an_output_is_added_up_over_its_messages_and_lines() -> None:
    messages = [row(0, "r", 1, 0.1) + b"\n" + row(0, "s", 1, 2.0), row(0, "r", 2, 0.2)]
    sums = add_up(window_rows(messages))
    assert sums == {(0, "r", "c"): (3, 30), (0, "s", "c"): (1, 200)}


def test_a_version_that_was_taken_back_does_not_count() -> None:
    messages = [row(0, "r", 1, 0.5, diff=1), row(0, "r", 1, 0.5, diff=-1), row(0, "r", 2, 1.0)]
    sums = add_up(window_rows(messages))
    assert sums == {(0, "r", "c"): (2, 100)}


def test_flush_records_are_no_part_of_the_sums() -> None:
    assert add_up(window_rows([row(0, FLUSH_REGION, 4, 0.0)])) == {}


def cut(upto: int, *counts: int) -> bytes:
    settings = sum_settings()
    sums = np.array([counts, [100 * n for n in counts], counts])
    part = BinSums.of(2, CellIndex(9, [Cell("r", "c"), Cell("s", "c")]), sums)
    return encode_input(Cut("clicks", 0, 0, 2, upto, (part,)), settings.fingerprint())


def test_of_a_corrected_cut_the_later_version_counts_whatever_the_order() -> None:
    settings = sum_settings()
    for messages in ([cut(5, 1, 1), cut(9, 2, 3)], [cut(9, 2, 3), cut(5, 1, 1)]):
        sums = add_up(cut_rows(messages, settings))
        assert sums == {(120_000, "r", "c"): (2, 200), (120_000, "s", "c"): (3, 300)}


def event(time: str, value: float) -> dict[str, str | float]:
    return {"event_time": time, "region": "r", "category": "c", "value": value}


def test_minute_sums_wait_for_the_slowest_partition() -> None:
    sums = MinuteSums(partitions=2)
    sums.add(0, event("1970-01-01T00:00:30Z", 1.5))
    sums.add(0, event("1970-01-01T00:05:00Z", 9.0))
    sums.add(1, event("1970-01-01T00:00:59Z", 2.0))
    assert sums.close() == []
    sums.add(1, event("1970-01-01T00:01:09Z", 9.0))
    assert sums.close() == []
    sums.add(1, event("1970-01-01T00:02:10Z", 9.0))
    closed = sums.close()
    assert [(w["window"], w["sum"], w["count"]) for w in closed] == [(0, 3.5, 2), (60_000, 9.0, 1)]


def standing(name: str, *seconds: float) -> Standing:
    found = Standing(name)
    for time in seconds:
        found.add(Report(began=100.0, ended=0.0, cpu_seconds=1.0, peak_mib=5.0), 100.0 + time, 1000)
    return found


def test_the_ratio_is_our_median_over_theirs() -> None:
    found = result([standing("fetch", 1.0), standing("tidecast", 4.0, 2.0, 1.0)])
    assert [c["records_per_second"] for c in found["contenders"]] == [1000.0, 500.0]
    assert found["ratio"] == {"fetch": 0.5}


def test_a_contender_that_never_ended_has_no_rate_and_no_ratio(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = Standing("quix")
    broken.fail("the process ended with 1: boom")
    found = result([standing("tidecast", 1.0), broken])
    assert found["contenders"][1]["records_per_second"] is None
    assert found["contenders"][1]["verified"] is False
    assert found["ratio"] == {}
    assert "boom" in capsys.readouterr().err
    assert table([broken], ["pathway"]).row_count == 2


def test_wrong_sums_are_told_apart() -> None:
    truth = {(0, "r", "c"): (2, 10), (0, "s", "c"): (1, 5)}
    assert difference({(0, "r", "c"): (2, 11)}, truth) == (
        "wrong sums: 1 windows differ, 1 are lacking, 2 of 3 records counted"
    )


def test_a_contender_whose_package_is_absent_is_missing() -> None:
    assert Contender("x", needs=("json", "no_such_package")).missing() == ["no_such_package"]


def test_an_unknown_contender_is_refused_by_name() -> None:
    done = CliRunner().invoke(bench, ["ingest", "--contenders", "fetch,spark"])
    assert done.exit_code == 2
    assert "'spark'" in done.output


def test_a_replayed_log_is_in_the_slabs_to_the_last_record(tmp_path: Path) -> None:
    write_log(tmp_path / "clicks.ndjson", 120_000)
    slabs = list(replayed_slabs(tmp_path / "clicks.ndjson", with_forecasts=False))
    assert sum(slab.events > 0 for slab in slabs) == 3
    assert sum(slab.events for slab in slabs) == 120_000
    cents = sum(total for _, total in BenchRecords.draw(120_000).sums().values())
    assert sum(slab.values[:, 0].sum() for slab in slabs) == pytest.approx(cents / 100)


def test_the_peak_memory_of_a_process_is_not_its_parents() -> None:
    ballast = np.ones(50_000_000)  # 381 MiB
    code = "from tidecast.tools.bench.memory import peak_mib; print(peak_mib())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_mib() > ballast.nbytes / 2**20 > float(told.stdout)


@pytest.mark.parametrize("text", ["", "1,", "1,x", "0", "-5"])
def test_sizes_that_are_no_whole_numbers_are_refused(text: str) -> None:
    done = CliRunner().invoke(bench, ["replay", "--events", text])
    assert done.exit_code == 2
    assert "whole numbers" in done.output
