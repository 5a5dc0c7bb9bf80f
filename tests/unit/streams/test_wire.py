"""Between the values of the core and the bytes of the topics."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from deep_answers import answer
from hypothesis import given
from hypothesis import strategies as st
from partitions import plain
from pydantic import ValidationError

from tidecast.models.forecast import Forecast
from tidecast.models.scores import Scores
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import (
    Admission,
    Announced,
    Announcement,
    BinSums,
    Cut,
    Idle,
    InputMessage,
    Join,
    PartitionList,
    Refit,
)
from tidecast.state.errors import ContractError
from tidecast.state.partition import Rejected
from tidecast.state.slabs import LateBins, Slab
from tidecast.streams.schemas.forecasts import PredictionRecord, ProgressRecord, ScoreRecord
from tidecast.streams.schemas.rejects import (
    DeadLetterRecord,
    LateBinsRecord,
    LateRecord,
    late_adapter,
)
from tidecast.streams.schemas.windows import WindowRecord
from tidecast.streams.wire import (
    encode_input,
    encode_late_bins,
    encode_predictions,
    encode_progress,
    encode_rejected,
    encode_scores,
    encode_window,
    parse_input,
)

HOUR = 3_600_000_000
GRID = BinGrid(HOUR)
OURS = "0123456789abcdef"
NAN = float("nan")
CELLS = [Cell("north", "books"), Cell("süd \N{SNOWMAN}", 'a "quoted" name')]

names = st.text(min_size=1, max_size=5)
whole = st.integers(-(2**63), 2**63 - 1)


@st.composite
def bin_sums(draw: st.DrawFn) -> BinSums:
    cells = draw(st.lists(st.builds(Cell, names, names), max_size=5, unique=True))
    rows = draw(st.integers(1, 3))
    sums = [[draw(whole) for _ in cells] for _ in range(rows)]
    index = CellIndex(99, cells)
    array = np.array(sums, np.int64).reshape(rows, len(cells))
    array[0] = np.abs(array[0] // 2) + 1  # a cell without events is not said
    return BinSums.of(draw(st.integers(-5, 10**9)), index, array)


bins_ = st.lists(bin_sums(), max_size=3).map(tuple)
offsets = st.integers(0, 2**53)
numbers = st.integers(-1, 10**9)
messages = st.one_of(
    st.builds(Cut, names, st.integers(0, 99), numbers, numbers, offsets, bins_, st.booleans()),
    st.builds(Idle, names, st.integers(0, 99), offsets, bins_),
)


@given(messages)
def test_cuts_and_idle_decisions_survive_the_way(message: Cut | Idle) -> None:
    found = parse_input(encode_input(message, OURS), OURS)
    assert isinstance(found, Cut | Idle)
    assert plain(found) == plain(message)
    assert encode_input(found, OURS) == encode_input(message, OURS)


def test_a_list_of_partitions_survives_the_way() -> None:
    listed = PartitionList((("clicks", 0), ("orders", 3)))
    assert parse_input(encode_input(listed, OURS), OURS) == listed


def test_a_join_survives_the_way() -> None:
    assert parse_input(encode_input(Join("clicks", 4), OURS), OURS) == Join("clicks", 4)


def test_an_announcement_survives_the_way() -> None:
    rows = (
        Announced(3, "promotion", 5, 9, "north", None, 1.5, None),
        Announced(4, "price", -1, -1, None, "toys", 0.0, 7),
    )
    announcement = Announcement("told", 0, 6, rows)
    assert parse_input(encode_input(announcement, OURS), OURS) == announcement
    missing = Announcement("told", 0, 6, (rows[0]._replace(value=math.nan),))
    found = parse_input(encode_input(missing, OURS), OURS)
    assert isinstance(found, Announcement)
    assert math.isnan(found.rows[0].value)


@pytest.mark.parametrize("artifacts", [(b"tree\nnum_leaves=2\n", b""), None])
def test_a_refit_survives_the_way(artifacts: tuple[bytes, ...] | None) -> None:
    refit = Refit("trees", 7, artifacts)
    assert parse_input(encode_input(refit, OURS), OURS) == refit


def test_an_admission_survives_the_way_to_the_bit() -> None:
    said = answer(7, n_cells=4, mean=0.1)
    found = parse_input(encode_input(Admission(7, said), OURS), OURS)
    assert isinstance(found, Admission)
    assert found.said is not None
    assert (found.origin_bin, found.said.origin_bin, found.said.model) == (7, 7, "first")
    assert found.said.mean.tobytes() == said.mean.tobytes()
    assert found.said.scale.tobytes() == said.scale.tobytes()
    without = Admission(7, None)
    assert parse_input(encode_input(without, OURS), OURS) == without


@pytest.mark.parametrize("shape", [[2, 4, 2], [2, -4, -3], [2, 4]])
def test_an_admission_whose_arrays_are_not_of_its_shape_is_refused(shape: list[int]) -> None:
    record = json.loads(encode_input(Admission(7, answer(7, 4)), OURS))
    record["said"]["shape"] = shape
    with pytest.raises(ContractError):
        parse_input(json.dumps(record).encode(), OURS)


@pytest.mark.parametrize(
    "message",
    [
        Cut("clicks", 0, 1, 2, 3),
        Idle("clicks", 0, 3),
        PartitionList((("clicks", 0),)),
        Refit("trees", 7, None),
        Admission(7, None),
    ],
)
def test_a_record_made_under_other_settings_is_refused_with_the_way_out(
    message: InputMessage,
) -> None:
    with pytest.raises(ContractError, match=r"other settings.*topic_prefix"):
        parse_input(encode_input(message, "feedfeedfeedfeed"), OURS)


@pytest.mark.parametrize(
    ("change", "value"),
    [("schema_version", 2), ("type", "cat"), ("upto", -1), ("bins", [{"bin": "x"}])],
)
def test_what_is_no_record_of_the_cuts_topic_is_refused(change: str, value: Any) -> None:
    record = json.loads(encode_input(Cut("clicks", 0, 1, 2, 3), OURS)) | {change: value}
    with pytest.raises(ContractError, match="not a record of the cuts topic"):
        parse_input(json.dumps(record).encode(), OURS)


def test_fields_added_later_are_ignored() -> None:
    cut = Cut("clicks", 0, 1, 2, 3)
    record = json.loads(encode_input(cut, OURS)) | {"colour": "blue"}
    assert parse_input(json.dumps(record).encode(), OURS) == cut


def test_a_window_record_says_its_slab_with_null_for_missing() -> None:
    slab = Slab(480_000, np.array([[1.0, NAN], [2.5, 0.0]]), events=7, revision=2)
    record = WindowRecord.model_validate_json(encode_window(slab, CELLS, ["a", "b"], GRID))
    assert record.values == [[1.0, 2.5], [None, 0.0]]  # (series, cell)
    assert record.bin_end.isoformat() == "2024-10-04T01:00:00+00:00"
    assert (record.revision, record.events, record.learnt) == (2, 7, False)
    assert list(zip(record.regions, record.categories, strict=True)) == CELLS


@pytest.mark.parametrize(("revision", "learnt"), [(0, True), (1, False)])
def test_a_window_record_says_whether_models_learnt_from_it(revision: int, learnt: bool) -> None:
    value = encode_window(Slab(1, np.zeros((2, 1)), revision=revision), CELLS, ["a"], GRID)
    assert WindowRecord.model_validate_json(value).learnt is learnt
    older = {name: part for name, part in json.loads(value).items() if name != "learnt"}
    assert WindowRecord.model_validate(older).learnt is learnt


def test_every_cell_and_series_has_a_prediction_record() -> None:
    shape = (2, 2, 3)  # (series, cell, lead)
    mean = np.arange(12, dtype=np.float32).reshape(shape) / 3
    quantiles = mean[..., None] + np.array([-1, 0, 1], np.float32)
    weights = {"naive": np.full((2, 3), 0.25, np.float32)}
    forecast = Forecast(480_000, mean, quantiles, weights)
    encoded = encode_predictions(forecast, CELLS, ["a", "b"], (0.1, 0.5, 0.9), GRID)
    records = [PredictionRecord.model_validate_json(value) for value in encoded]
    assert [(r.series, r.region) for r in records] == [
        (series, cell.region) for series in "ab" for cell in CELLS
    ]
    assert records[3].mean == pytest.approx(mean[1, 1].tolist())
    np.testing.assert_array_equal(np.array(records[3].quantiles, np.float32), quantiles[1, 1])
    assert records[0].origin.isoformat() == "2024-10-04T01:00:00+00:00"
    assert [time.hour for time in records[0].valid_time] == [2, 3, 4]
    assert records[0].weights == {"naive": [0.25, 0.25, 0.25]}
    assert records[0].quantile_levels == [0.1, 0.5, 0.9]


def test_a_score_record_holds_all_sums() -> None:
    shape = (2, 1, 3)  # (expert, series, lead)
    sums = np.arange(6.0).reshape(shape)
    scores = Scores(
        bin=480_000,
        experts=("tidecast", "naive"),
        n=np.ones(shape, np.int64),
        abs_error=sums,
        squared_error=sums**2,
        actual=sums + 1,
        pinball=np.where(sums > 3, np.nan, sums),
        intervals=(0.8,),
        covered=np.ones((1, 1, 3), np.int64),
        revision=4,
    )
    record = ScoreRecord.model_validate_json(encode_scores(scores, ["a"], GRID))
    assert record.abs_error == sums.tolist()
    assert record.pinball == [[[0, 1, 2]], [[3, None, None]]]
    assert record.experts == ["tidecast", "naive"]
    assert record.revision == 4
    assert record.valid_time.isoformat() == "2024-10-04T01:00:00+00:00"


@pytest.mark.parametrize("raw", [b"\xff\0", b"", b"x" * 100_000, None])
@pytest.mark.parametrize("contract", [DeadLetterRecord, LateRecord])
def test_rejected_records_keep_their_bytes(
    raw: bytes | None, contract: type[DeadLetterRecord | LateRecord]
) -> None:
    value = encode_rejected(Rejected(9, "late: it is", raw), "clicks", "shop.clicks", 3)
    record = contract.model_validate_json(value)
    assert record.value == raw
    place = (record.source, record.topic, record.partition, record.offset, record.reason)
    assert place == ("clicks", "shop.clicks", 3, 9, "late: it is")


def test_the_two_kinds_of_the_late_topic_are_told_apart() -> None:
    one = encode_rejected(Rejected(9, "late: it is", b"{}"), "clicks", "shop.clicks", 3)
    bins = LateBins("clicks", 3, 480_000, 99, 7, tuple(CELLS))
    other = late_adapter.validate_json(encode_late_bins(bins, GRID))
    assert isinstance(late_adapter.validate_json(one), LateRecord)
    assert isinstance(other, LateBinsRecord)
    assert (other.source, other.partition, other.bin, other.upto, other.events) == (
        *("clicks", 3, 480_000, 99, 7),
    )
    assert other.bin_start.isoformat() == "2024-10-04T00:00:00+00:00"
    assert other.bin_end.isoformat() == "2024-10-04T01:00:00+00:00"
    assert list(zip(other.regions, other.categories, strict=True)) == CELLS
    assert other.reason.startswith("late_bins: ")


def test_what_is_no_record_of_the_late_topic_is_refused() -> None:
    with pytest.raises(ValidationError, match="late_bins"):
        late_adapter.validate_json(b'{"type": "cat"}')


def test_a_progress_record_says_the_first_bin_not_closed() -> None:
    record = ProgressRecord.model_validate_json(encode_progress(0, 480_001, 77, GRID))
    assert (record.shard, record.next_bin, record.position) == (0, 480_001, 77)
    assert record.time.isoformat() == "2024-10-04T01:00:00+00:00"


def test_a_window_record_names_the_cells_that_are_censored_and_says_nothing_where_none_is() -> None:
    marks = np.array([[False, True], [False, False]])  # (cell, series)
    slab = Slab(1, np.zeros((2, 2)), censored=marks)
    record = WindowRecord.model_validate_json(encode_window(slab, CELLS, ["a", "b"], GRID))
    assert record.censored == [[], [0]]
    plain = json.loads(encode_window(Slab(1, np.zeros((2, 2))), CELLS, ["a", "b"], GRID))
    assert "censored" not in plain


def test_a_window_record_tells_how_much_its_means_are_of_and_nothing_of_sums() -> None:
    counts = np.array([[NAN, 3.0], [NAN, 0.0]])  # (cell, series)
    slab = Slab(1, np.zeros((2, 2)), counts=counts)
    record = WindowRecord.model_validate_json(encode_window(slab, CELLS, ["a", "b"], GRID))
    assert record.counts == [None, [3.0, 0.0]]
