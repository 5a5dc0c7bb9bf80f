"""The store on chDB and on a real ClickHouse server: one contract, one set of answers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from tidecast.state.errors import StoreError
from tidecast.state.settings import ClickHouseSettings
from tidecast.streams.store import Store, open_embedded, open_server

ORIGIN = 1_700_000_000  # 2023-11-14 22:13:20 UTC
ORIGIN_TIME = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
HOUR = 3600
NASTY = 'it\'s \\ a "name"\n\0\t🌊%(x)s'


def _server_settings(endpoint: Any, database: str, **changes: Any) -> ClickHouseSettings:
    values = {
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "password": endpoint.password,
        "database": database,
    }
    return ClickHouseSettings.model_validate(values | changes)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    store = open_embedded(tmp_path / "store")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def server(clickhouse_server: Any) -> Iterator[Store]:
    database = f"test_{uuid.uuid4().hex[:12]}"
    store = open_server(_server_settings(clickhouse_server, database))
    store.migrate()
    yield store
    store.query(f"DROP DATABASE {database}")
    store.close()


@pytest.fixture(
    params=["embedded", pytest.param("server", marks=pytest.mark.services)],
)
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def predictions(**changes: Any) -> dict[str, Any]:
    """One forecast of two leads for one cell, as arrays."""
    return {
        "series": ["demand"],
        "region": ["north"],
        "category": ["tea"],
        "origin": np.array([ORIGIN]),
        "valid_time": np.array([[ORIGIN + HOUR, ORIGIN + 2 * HOUR]]),
        "mean": np.array([[1.5, 2.5]], np.float32),
        "quantile_levels": np.array([[0.1, 0.9]]),
        "quantiles": np.array([[[1, 2], [2, 3]]], np.float32),
        "experts": [["naive", "linear"]],
        "weights": np.array([[[0.25, 0.5], [0.75, 0.5]]], np.float32),
        "revision": np.array([0]),
    } | changes


def scores(**changes: Any) -> dict[str, Any]:
    """One row of scores: ten cells at lead 1."""
    return {
        "shard": [0],
        "series": ["demand"],
        "expert": ["tidecast"],
        "lead": [1],
        "valid_time": [ORIGIN],
        "n": [10],
        "abs_error": [6.0],
        "squared_error": [40.0],
        "actual": [20.0],
        "pinball": [5.0],
        "intervals": [[0.5, 0.8]],
        "covered": [[4, 8]],
        "revision": [0],
    } | changes


def actuals(**changes: Any) -> dict[str, Any]:
    """What happened in one bin of one cell."""
    return {
        "series": ["demand"],
        "region": ["north"],
        "category": ["tea"],
        "bin_start": [ORIGIN],
        "bin_end": [ORIGIN + HOUR],
        "value": [3.0],
        "censored": [0],
        "revision": [0],
    } | changes


def test_migrating_twice_changes_nothing(store: Store) -> None:
    store.insert("predictions", predictions())

    assert store.migrate() == []
    assert store.query("SELECT count() FROM predictions").rows == [(1,)]
    assert store.query("SELECT number FROM schema_migrations ORDER BY number").rows[:2] == [
        (1,),
        (2,),
    ]


def test_a_migration_that_was_cut_short_runs_again(store: Store) -> None:
    store.query("DROP TABLE schema_migrations")

    assert store.migrate()[0] == "001_schema_migrations"
    assert store.migrate() == []


def test_a_forecast_comes_back_as_it_was_sent(store: Store) -> None:
    store.insert("predictions", predictions())

    answer = store.query("SELECT * FROM predictions")
    assert dict(zip(answer.columns, answer.rows[0], strict=True)) == {
        "series": "demand",
        "region": "north",
        "category": "tea",
        "origin": ORIGIN_TIME,
        "valid_time": [
            datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC),
            datetime(2023, 11, 15, 0, 13, 20, tzinfo=UTC),
        ],
        "mean": [1.5, 2.5],
        "quantile_levels": [0.1, 0.9],
        "quantiles": [[1.0, 2.0], [2.0, 3.0]],
        "experts": ["naive", "linear"],
        "weights": [[0.25, 0.5], [0.75, 0.5]],
        "revision": 0,
    }
    assert [type(value) for value in answer.rows[0]] == [
        *[str] * 3,
        datetime,
        *[list] * 6,
        int,
    ]


def test_plain_lists_are_stored_as_arrays_are(store: Store) -> None:
    listed = {
        name: column.tolist() if isinstance(column, np.ndarray) else column
        for name, column in predictions().items()
    }
    store.insert("predictions", predictions())
    sent = store.query("SELECT * FROM predictions FINAL")
    store.query("TRUNCATE TABLE predictions")
    store.insert("predictions", listed)

    assert store.query("SELECT * FROM predictions FINAL") == sent


def test_a_forecast_sent_twice_is_there_once(store: Store) -> None:
    store.insert("predictions", predictions())
    store.insert("predictions", predictions())

    assert store.query("SELECT count() FROM predictions FINAL").rows == [(1,)]
    assert store.query("SELECT lead, mean FROM latest_forecast ORDER BY lead").rows == [
        (1, 1.5),
        (2, 2.5),
    ]


def test_the_higher_revision_wins_whatever_came_last(store: Store) -> None:
    for revision, mean in ((1, 7.0), (0, 1.0)):
        store.insert(
            "predictions",
            predictions(mean=np.full((1, 2), mean, np.float32), revision=[revision]),
        )
        store.insert("actuals", actuals(value=[mean], revision=[revision]))

    assert store.query("SELECT mean FROM latest_forecast").rows == [(7.0,), (7.0,)]
    assert store.query("SELECT value, revision FROM actuals FINAL").rows == [(7.0, 1)]


def test_forecasts_of_sums_have_a_view_of_their_own(store: Store) -> None:
    store.insert("predictions", predictions())
    for region, category in (("(all)", "(all)"), ("north", "(all)"), ("(all)", "tea")):
        store.insert("predictions", predictions(region=[region], category=[category]))
    assert len(store.query("SELECT * FROM latest_forecast").rows) == 2
    sums = "SELECT region, category, count() FROM latest_totals GROUP BY region, category"
    assert sorted(store.query(sums).rows) == [
        ("(all)", "(all)", 2),
        ("(all)", "tea", 2),
        ("north", "(all)", 2),
    ]


def test_the_latest_forecast_is_that_of_each_cells_newest_origin(store: Store) -> None:
    store.insert("predictions", predictions())
    store.insert("predictions", predictions(category=["coffee"]))
    store.insert(
        "predictions",
        predictions(
            origin=[ORIGIN + HOUR],
            valid_time=np.array([[ORIGIN + 2 * HOUR, ORIGIN + 3 * HOUR]]),
            mean=np.array([[8, 9]], np.float32),
        ),
    )

    answer = store.query("SELECT * FROM latest_forecast ORDER BY category, lead")
    assert answer.columns == (
        "series",
        "region",
        "category",
        "origin",
        "lead",
        "valid_time",
        "mean",
        "quantile_levels",
        "quantiles",
    )
    assert [(row[2], row[4], row[6]) for row in answer.rows] == [
        ("coffee", 1, 1.5),
        ("coffee", 2, 2.5),
        ("tea", 1, 8.0),
        ("tea", 2, 9.0),
    ]
    assert answer.rows[3] == (
        "demand",
        "north",
        "tea",
        datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC),
        2,
        datetime(2023, 11, 15, 1, 13, 20, tzinfo=UTC),
        9.0,
        [0.1, 0.9],
        [2.0, 3.0],
    )


def test_accuracy_by_lead_adds_up_bins_and_shards_and_counts_no_row_twice(store: Store) -> None:
    store.insert("scores", scores())
    store.insert("scores", scores())
    store.insert("scores", scores(valid_time=[ORIGIN + HOUR], n=[30], abs_error=[3.0]))
    store.insert("scores", scores(shard=[1], n=[10], abs_error=[9.0]))
    store.insert("scores", scores(expert=["naive"], pinball=[float("nan")]))

    blend, naive = store.query("SELECT * FROM accuracy_by_lead ORDER BY expert DESC").rows
    assert blend == (
        "demand",
        "tidecast",
        1,
        50,
        pytest.approx(18 / 60),
        pytest.approx((120 / 50) ** 0.5),
        pytest.approx(15 / 50),
    )
    assert naive[:4] == ("demand", "naive", 1, 10)
    assert np.isnan(naive[-1])


def test_coverage_by_day_is_the_share_of_actuals_inside_the_blends_intervals(store: Store) -> None:
    store.insert("scores", scores())
    store.insert("scores", scores(lead=[2], covered=[[6, 9]]))
    store.insert("scores", scores(revision=[1], covered=[[5, 8]]))
    store.insert("scores", scores(expert=["naive"], covered=[[0, 0]]))
    store.insert("scores", scores(valid_time=[ORIGIN + 24 * HOUR], covered=[[10, 10]]))

    assert store.query("SELECT * FROM coverage_by_day ORDER BY day, nominal").rows == [
        (date(2023, 11, 14), "demand", 0.5, 20, 11 / 20),
        (date(2023, 11, 14), "demand", 0.8, 20, 17 / 20),
        (date(2023, 11, 15), "demand", 0.5, 10, 1.0),
        (date(2023, 11, 15), "demand", 0.8, 10, 1.0),
    ]


def test_a_missing_actual_stays_nan(store: Store) -> None:
    store.insert("actuals", actuals(value=np.array([np.nan])))

    ((value,),) = store.query("SELECT value FROM actuals").rows
    assert np.isnan(value)


def test_names_of_any_characters_come_back_and_are_found(store: Store) -> None:
    store.insert("actuals", actuals(region=[NASTY]))
    store.insert("actuals", actuals(region=["other"]))

    answer = store.query("SELECT region FROM actuals WHERE region = %(region)s", {"region": NASTY})
    assert answer.rows == [(NASTY,)]


def test_a_parameter_cannot_break_out_of_its_quotes(store: Store) -> None:
    attack = "' OR 1 = 1 -- \\' OR 1 = 1 -- "
    store.insert("actuals", actuals())

    answer = store.query("SELECT 1 FROM actuals WHERE region = %(region)s", {"region": attack})
    assert answer.rows == []
    assert store.query("SELECT %(text)s AS text", {"text": attack}).rows == [(attack,)]


def test_parameters_of_every_type_are_bound(store: Store) -> None:
    store.insert("actuals", actuals())
    parameters = {
        "start": ORIGIN_TIME,
        "day": date(2023, 11, 14),
        "regions": ["north", "it's"],
        "low": 2.5,
        "high": float("inf"),
    }

    answer = store.query(
        "SELECT value FROM actuals WHERE bin_start = %(start)s AND toDate(bin_start) = %(day)s "
        "AND has(%(regions)s, region) AND value > %(low)s AND value < %(high)s",
        parameters,
    )
    assert answer.rows == [(3.0,)]


def test_a_century_fits_into_one_insert(store: Store) -> None:
    days = [(year, month) for year in range(1971, 2071) for month in (1, 7)]
    seconds = np.array([int(datetime(*day, 1, tzinfo=UTC).timestamp()) for day in days])
    n = len(seconds)
    many = {name: column * n for name, column in actuals().items()}

    assert store.insert("actuals", many | {"bin_start": seconds, "bin_end": seconds + HOUR}) == n
    assert store.query("SELECT min(toYear(bin_start)), count() FROM actuals").rows == [(1971, n)]


def test_an_insert_of_no_rows_writes_nothing(store: Store) -> None:
    assert store.insert("actuals", {name: [] for name in actuals()}) == 0
    assert store.query("SELECT region, value FROM actuals") == store.query(
        "SELECT region, value FROM actuals WHERE 0"
    )
    assert store.query("SELECT region, value FROM actuals").columns == ("region", "value")


def test_an_answer_of_many_blocks_is_whole(store: Store) -> None:
    answer = store.query("SELECT number, toString(number) FROM system.numbers LIMIT 200000")

    assert len(answer.rows) == 200_000
    assert answer.rows[-1] == (199_999, "199999")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"region": ["north", "south"]}, "differ in length"),
        ({"colour": ["red"]}, "colour"),
        ({"bin_start": [-1]}, "actuals|values"),
        ({"value": ["much"]}, "actuals|values"),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_nothing_is_written(
    store: Store, columns: dict[str, Any], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        store.insert("actuals", actuals() | columns)
    assert store.query("SELECT count() FROM actuals").rows == [(0,)]


def test_a_missing_column_or_table_is_named(store: Store) -> None:
    columns = actuals()
    del columns["revision"]
    with pytest.raises(StoreError, match="revision"):
        store.insert("actuals", columns)
    with pytest.raises(StoreError, match="no table 'weather'"):
        store.insert("weather", columns)


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nowhere", "SELECT 1 +"])
def test_a_wrong_statement_is_one_sentence_and_the_store_lives_on(store: Store, sql: str) -> None:
    with pytest.raises(StoreError) as refusal:
        store.query(sql)
    assert "\n" not in str(refusal.value)
    assert store.query("SELECT 1 AS one").rows == [(1,)]


QUERIES = [
    "SELECT * FROM predictions FINAL ORDER BY category, origin",
    "SELECT * FROM actuals FINAL ORDER BY region, bin_start",
    "SELECT * FROM scores FINAL ORDER BY expert, lead",
    "SELECT * FROM latest_forecast ORDER BY category, lead",
    "SELECT * FROM accuracy_by_lead ORDER BY expert, lead",
    "SELECT * FROM coverage_by_day ORDER BY day, nominal",
    "SELECT region, count(), avg(value), max(bin_end) FROM actuals GROUP BY region ORDER BY region",
    "SELECT series, mean FROM predictions WHERE series = 'none'",
    "SELECT toDateTime('2024-02-29 12:00:00', 'UTC') AS t, toDate('2024-02-29') AS d, NULL AS n",
    "EXISTS TABLE predictions",
]


def test_the_guides_query_sets_forecasts_beside_what_happened(store: Store) -> None:
    guide = Path(__file__).parents[2] / "docs" / "store.md"
    (sql,) = re.findall(r"```sql\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    store.insert("predictions", predictions())
    store.insert("actuals", actuals())
    store.insert("actuals", actuals(bin_end=[ORIGIN + 9 * HOUR], bin_start=[ORIGIN + 8 * HOUR]))

    answer = store.query(sql)
    assert answer.columns == ("region", "category", "time", "forecast", "actual")
    assert answer.rows == [
        ("north", "tea", datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC), 1.5, 3.0)
    ]


@pytest.mark.services
def test_both_stores_give_the_same_rows(embedded: Store, server: Store) -> None:
    for store in (embedded, server):
        store.insert("predictions", predictions())
        store.insert("predictions", predictions(origin=[ORIGIN + HOUR], category=[NASTY]))
        store.insert("predictions", predictions(category=[""], experts=[[]], weights=[[]]))
        store.insert("actuals", actuals())
        store.insert("actuals", actuals(region=["south"], value=[1e300]))
        store.insert("scores", scores())
        store.insert("scores", scores(expert=["naive"], lead=[12], intervals=[[]], covered=[[]]))

    for sql in QUERIES:
        assert embedded.query(sql) == server.query(sql), sql


def test_two_workers_may_migrate_at_once(clickhouse_server: Any) -> None:
    database = f"test_{uuid.uuid4().hex[:12]}"
    stores = [open_server(_server_settings(clickhouse_server, database)) for _ in range(4)]

    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(lambda store: store.migrate(), stores))

    assert stores[0].insert("predictions", predictions()) == 1
    assert len(stores[1].query("SELECT * FROM latest_forecast").rows) == 2
    stores[0].query(f"DROP DATABASE {database}")
    for store in stores:
        store.close()


def test_an_embedded_store_keeps_its_rows_when_closed(tmp_path: Path) -> None:
    store = open_embedded(tmp_path)
    store.migrate()
    store.insert("actuals", actuals())
    store.close()
    store.close()

    again = open_embedded(tmp_path)
    assert again.migrate() == []
    assert again.query("SELECT region FROM actuals").rows == [("north",)]
    again.close()


def test_a_second_folder_at_once_is_refused_in_words(tmp_path: Path) -> None:
    store = open_embedded(tmp_path / "one")
    with pytest.raises(StoreError, match="no other store open"):
        open_embedded(tmp_path / "two")
    store.close()


def test_a_folder_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writable"):
        open_embedded(tmp_path / "file" / "store")
    with pytest.raises(StoreError, match="name without '\\?'"):
        open_embedded(tmp_path / "what?readonly=1")


def test_a_wrong_password_is_refused_without_showing_it(clickhouse_server: Any) -> None:
    settings = _server_settings(clickhouse_server, "tidecast", password=SecretStr("hunter2"))
    with pytest.raises(StoreError, match="refuses user") as refusal:
        open_server(settings)
    assert "hunter2" not in repr(refusal.value) + repr(refusal.value.__cause__)


def test_a_database_that_is_not_there_is_named(clickhouse_server: Any) -> None:
    store = open_server(_server_settings(clickhouse_server, "never_made"))
    with pytest.raises(StoreError, match="no database 'never_made'"):
        store.query("SELECT 1")
    store.close()


def test_a_server_that_is_away_is_named_with_the_remedy() -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9 cannot be reached .* native protocol"):
        open_server(ClickHouseSettings(host="127.0.0.1", port=9))
