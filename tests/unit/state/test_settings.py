"""Settings are read once, and what is wrong with them is said in a way one can act on."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tidecast.state.errors import SettingsError
from tidecast.state.settings import Settings, StreamKind, load_settings, parse_settings
from tidecast.state.settings.base import parse_duration

TEXT = """
[[sources]]
name = "clicks"
topic = "clicks"
stream = "click"

[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
"""
TABLES: dict[str, Any] = {
    "sources": [
        {"name": "clicks", "topic": "clicks", "stream": "click"},
        {"name": "orders", "topic": "orders", "stream": "order"},
    ],
    "series": [
        {"name": "traffic", "stream": "click", "aggregate": "count"},
        {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"},
    ],
}


def tables_with(path: str, value: object) -> dict[str, Any]:
    """Return TABLES with one key changed: ``series.0.of`` is of the first series."""
    tables = copy.deepcopy(TABLES)
    place: Any = tables
    *parents, key = [int(p) if p.isdigit() else p for p in path.split(".")]
    for parent in parents:
        place = place[parent] if isinstance(place, list) else place.setdefault(parent, {})
    place[key] = value
    return tables


def complaint(tables: dict[str, Any], **environment: str) -> str:
    with pytest.raises(SettingsError) as raised:
        parse_settings(tables, environment)
    return str(raised.value)


WRONG: list[tuple[str, object, tuple[str, ...]]] = [
    (
        "series.0.censored_by",
        {"stream": "stock", "kinds": ["sold_out"]},
        ("'traffic' needs a source with stream = 'stock'",),
    ),
    (
        "series.0.censored_by",
        {"stream": "order", "kinds": ["sold_out"]},
        ("unknown kind 'sold_out' of order events",),
    ),
    ("series.0.censored_by", {"stream": "order", "kinds": []}, ("kinds",)),
    ("bins.width", "7m", ("bins.width = '7m'", "divide a day")),
    ("bins.width", "500ms", ("bins.width = '500ms'", "whole seconds")),
    ("shop.time_zone", "Mars/Base", ("shop.time_zone = 'Mars/Base'", "IANA time zone")),
    ("sources.0.stream", "visits", ("sources[0].stream = 'visits'", "'click', 'order'")),
    ("sources.0.topic", "a topic", ("sources[0].topic = 'a topic'", "pattern")),
    ("sources.0.name", "1st", ("sources[0].name = '1st'", "beginning with a letter")),
    ("sources.0.max_gap", "0s", ("sources[0].max_gap = '0s'", "greater than 0")),
    ("sources.0.idle_timeout", "1 hour", ("sources[0].idle_timeout = '1 hour'", '"1h"')),
    ("sources.0.time", {"format": "unix"}, ("sources[0].time", "strptime")),
    ("sources.0.fields", {"regoin": "city"}, ("sources[0]", "'regoin'", "region")),
    ("sources.0.kinds", {"buy": "x"}, ("sources[0]", "'buy'", "purchase")),
    ("sources.0.defaults", {"event_time": "x"}, ("sources[0]", "event_time", "no default")),
    ("sources.0.defaults", {"value": "x"}, ("sources[0]", "'value'", "number")),
    ("sources.0.defaults", {"kind": "x"}, ("sources[0]", "default kind 'x'")),
    ("sources.0.negative_units", "subtract", ("sources[0]", "orders only")),
    ("sources", [], ("sources", "at least 1 item")),
    ("sources.1.name", "clicks", ("sources: clicks stands twice", "rename")),
    ("sources.1.topic", "clicks", ("sources: clicks stands twice", "rename")),
    ("series.1.name", "traffic", ("series: traffic stands twice", "rename")),
    ("series.0.aggregate", "median", ("series[0].aggregate = 'median'", "'mean'")),
    ("series.0.of", "value", ("series[0]", "count takes none")),
    ("series.1.of", "weight", ("series[1]", "'weight'", "units, amount")),
    ("series.1.kinds", ["sold"], ("series[1]", "'sold'", "cancellation")),
    ("series.1.numerator", "traffic", ("series[1]", "for a ratio")),
    ("series.1.stream", "logistics", ("'demand'", "source with stream = 'logistics'")),
    ("series.1.decimals", 9, ("series[1].decimals = 9", "less than or equal to 6")),
    ("series.1", {"name": "r", "aggregate": "ratio"}, ("series[1]", "two other series")),
    (
        "series.1",
        {"name": "r", "aggregate": "ratio", "numerator": "traffic", "denominator": "x"},
        ("ratio 'r'", "'x' must name a series"),
    ),
    ("regions.by", "city", ("regions.by = 'city'", "'h3'")),
    ("regions", {"by": "h3", "table": "r.csv"}, ("regions", 'needs by = "field"')),
    ("forecast.horizon", 0, ("forecast.horizon = 0", "greater than or equal to 1")),
    ("forecast.quantile_levels", [0.5, 0.1], ("forecast.quantile_levels", "rise strictly")),
    ("forecast.quantile_levels", [0.1, 0.9], ("forecast.quantile_levels", "median, 0.5")),
    ("forecast.season_lengths", [7, 7], ("forecast.season_lengths", "rising")),
    ("forecast.experts", ["oracle"], ("forecast.experts", "'oracle' is unknown", "time_of_week")),
    ("forecast.experts", [], ("forecast.experts", "at least one of seasonal_naive")),
    ("forecast.experts", ["linear", "linear"], ("forecast.experts", "linear stands twice")),
    ("kafka.bootstrap", "localhost", ("kafka.bootstrap = 'localhost'", "HOST:PORT")),
    ("kafka.bootstrap", "one:9092,two:99999", ("two:99999", "1 to 65535")),
    ("kafka.bootstrap", "shop..example:9092", ("'shop..example'", "no host")),
    ("clickhouse.host", "shop..example", ("'shop..example'", "no host")),
    ("metrics.host", "x" * 64, ("metrics.host", "no host")),
    ("kafka.tls", {"certificate": "c.pem"}, ("kafka.tls", "come together")),
    ("clickhouse.port", 99_999, ("clickhouse.port = 99999", "65535")),
    ("limits.max_cells", 0, ("limits.max_cells = 0", "greater than or equal to 1")),
    ("limits.not_after", "2200-01-01T00:00:00Z", ("limits", "2105", "move the limit")),
    ("limits.not_before", "2020-01-01T00:00:00", ("limits.not_before", "timezone")),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG)
def test_a_wrong_setting_is_named_with_its_value_and_the_remedy(
    path: str, value: object, words: tuple[str, ...]
) -> None:
    message = complaint(tables_with(path, value))
    for word in words:
        assert word in message
    assert "1 problem" in message


def test_a_width_that_is_neither_day_nor_duration_is_told_both_ways() -> None:
    message = complaint(tables_with("bins.width", "soon"))
    assert "bins.width = 'soon': Input should be 'day'" in message
    assert "bins.width = 'soon': write a duration as" in message


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("speed", "shop, bins, regions"),
        ("sources.0.latness", "name, topic, stream, fields"),
        ("sources.0.time.zoen", "format, zone"),
        ("forecast.horizn", "horizon, quantile_levels"),
        ("kafka.tls.cert", "ca, certificate, key"),
    ],
)
def test_an_unknown_key_is_refused_beside_those_that_are_known(path: str, known: str) -> None:
    message = complaint(tables_with(path, 1))
    assert f"{path.replace('.0', '[0]')}" in message
    assert f"unknown key: remove it, or mend its spelling (known here: {known}" in message


def test_all_problems_are_told_at_once() -> None:
    tables = tables_with("bins.width", "7m") | {"limits": {"max_cells": -1}}
    message = complaint(tables)
    assert "2 problem(s)" in message
    assert "bins.width" in message
    assert "limits.max_cells" in message


def test_variables_overlay_the_file_and_make_tables_that_it_lacks() -> None:
    settings = parse_settings(
        tables_with("kafka.bootstrap", "old:1"),
        {
            "TIDECAST_KAFKA__BOOTSTRAP": "new:2",
            "TIDECAST_LIMITS__MAX_CELLS": "12",
            "TIDECAST_KAFKA__SASL__USER": "me",
            "TIDECAST_KAFKA__SASL__PASSWORD": "[s3cret",
            "TIDECAST_FORECAST__QUANTILE_LEVELS": "[0.1, 0.5, 0.9]",
            "TIDECAST_REQUIRE_SERVICES": "1",
            "PATH": "/bin",
        },
    )
    assert settings.kafka.bootstrap == "new:2"
    assert settings.limits.max_cells == 12
    assert settings.kafka.sasl is not None
    assert settings.kafka.sasl.password.get_secret_value() == "[s3cret"
    assert settings.forecast.quantile_levels == (0.1, 0.5, 0.9)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("TIDECAST_BOOTSTRAP", ("unknown variable TIDECAST_BOOTSTRAP", "TIDECAST_TABLE__KEY")),
        ("TIDECAST_KAFKA__BROKER", ("kafka.broker", "unknown key", "bootstrap")),
        ("TIDECAST_SOURCES__TOPIC", ("TIDECAST_SOURCES__TOPIC", "not a table")),
        ("TIDECAST_LIMITS__MAX_CELLS", ("limits.max_cells = 'many'", "integer")),
    ],
)
def test_a_wrong_variable_is_named_with_the_remedy(variable: str, words: tuple[str, ...]) -> None:
    message = complaint(TABLES, **{variable: "many"})
    for word in words:
        assert word in message


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kafka.sasl", {"user": "u", "password": SECRET, "mechanism": "GSSAPI"}),
        ("kafka.sasl", {"user": "u", "passwrd": SECRET}),
        ("kafka.sasl", f"u:{SECRET}"),
        ("kafka.sasl", [SECRET]),
        ("kafka.tls", {"key_password": SECRET}),
        ("clickhouse.password", [SECRET]),
        ("clickhouse.pasword", SECRET),
        ("clickhouse", f"default:{SECRET}@host"),
        ("checkpoints.key", SECRET),
        ("checkpoints.former_key", [SECRET]),
        ("checkpoints.keey", SECRET),
        ("checkpoints", SECRET),
    ],
)
def test_no_error_shows_a_secret_however_it_is_misspelt(path: str, value: object) -> None:
    message = complaint(tables_with(path, value))
    assert SECRET not in message
    assert path in message


def test_no_print_of_the_settings_shows_a_secret() -> None:
    sasl = {"user": "u", "password": SECRET}
    settings = parse_settings(
        tables_with("kafka.sasl", sasl)
        | {"clickhouse": {"password": SECRET}, "checkpoints": {"key": SECRET * 3}}
    )
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_key_too_short_to_keep_anybody_out_is_refused() -> None:
    message = complaint(tables_with("checkpoints.key", SECRET))
    assert "checkpoints.key: a key has 16 characters or more: `openssl rand" in message


def test_keys_are_texts_as_they_stand_in_variables() -> None:
    variables = {
        "TIDECAST_CHECKPOINTS__KEY": "[not-a-list-but-a-key",
        "TIDECAST_CHECKPOINTS__FORMER_KEY": "",
    }
    checkpoints = parse_settings(TABLES, variables).checkpoints
    assert checkpoints.key.get_secret_value() == "[not-a-list-but-a-key"
    assert checkpoints.former_key is not None
    assert checkpoints.former_key.get_secret_value() == ""


def test_settings_cannot_be_changed() -> None:
    settings = parse_settings(TABLES)
    with pytest.raises(ValidationError, match="frozen"):
        settings.limits.max_cells = 5  # type: ignore[misc]


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(TEXT + '[regions]\ntable = "regions.csv"\n')
    assert load_settings(path, {}).regions.table == tmp_path / "regions.csv"


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no settings file .*none.toml: .*tidecast init"):
        load_settings(tmp_path / "none.toml", {})


@pytest.mark.parametrize("content", [b"not toml", b"\xff\xfe", b"[[sources]\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"settings file .*broken.toml"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("text", "micros"),
    [("30s", 30_000_000), ("1h30m", 5_400_000_000), ("250ms", 250_000), (7, 7)],
)
def test_durations_are_numbers_with_units(text: object, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "1.5h", "h", "5m!", True, None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match='"30s", "5m"'):
        parse_duration(text)


def test_a_width_of_24_hours_is_the_local_day() -> None:
    assert parse_settings(tables_with("bins.width", "24h")).bins.width == "day"


def test_words_of_kinds_stand_for_ours() -> None:
    tables = tables_with("sources.0.kinds", {"view": ["pv", "page"], "cart": "cart"})
    clicks = parse_settings(tables).sources[0]
    assert clicks.kind_words() == {"pv": "view", "page": "view", "cart": "cart"}
    assert parse_settings(TABLES).sources[0].kind_words()["view"] == "view"


def fingerprint(path: str, value: object) -> str:
    return parse_settings(tables_with(path, value)).fingerprint()


def test_the_fingerprint_changes_with_what_gives_sums_their_meaning_only() -> None:
    before = parse_settings(TABLES).fingerprint()
    assert fingerprint("kafka.bootstrap", "else:1") == before
    assert fingerprint("clickhouse.password", "x") == before
    assert fingerprint("metrics.port", 9) == before
    assert fingerprint("checkpoints.key", "sixteen-characters") == before
    assert fingerprint("limits.max_ahead", 9) == before
    assert fingerprint("sources.0.idle_timeout", "9s") == before
    assert fingerprint("bins.width", "15m") != before
    assert fingerprint("series.1.decimals", 2) != before
    assert fingerprint("forecast.experts", ["linear"]) != before
    assert fingerprint("limits.max_cells", 5) != before


def test_a_variable_that_is_half_a_list_is_refused() -> None:
    with pytest.raises(SettingsError, match="QUANTILE_LEVELS is no list"):
        parse_settings(TABLES, {"TIDECAST_FORECAST__QUANTILE_LEVELS": "[0.1, 0.5"})


def test_the_fingerprint_does_not_depend_on_where_the_regions_lie() -> None:
    assert fingerprint("regions.table", "a/regions.csv") == fingerprint("regions.table", "b.csv")


def test_defaults_suit_a_shop_of_hourly_bins() -> None:
    settings: Settings = parse_settings(TABLES)
    assert settings.bins.width == 3_600_000_000
    assert settings.forecast.horizon == 12
    assert settings.limits.not_before == datetime(2000, 1, 1, tzinfo=UTC)
    assert [s.name for s in settings.sources_of(StreamKind.ORDER)] == ["orders"]


def with_paths(table: str, ca: str) -> str:
    return f'{TEXT}\n[regions]\ntable = "{table}"\n[kafka.tls]\nca = "{ca}"\n'


def test_relative_paths_are_those_beside_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(with_paths("tables/regions.csv", "ca.pem"))
    settings = load_settings(path, {"TIDECAST_CLICKHOUSE__TLS__CA": "/etc/ssl/ca.pem"})
    assert settings.regions.table == tmp_path / "tables" / "regions.csv"
    assert settings.deep.models == tmp_path / "models"
    assert settings.kafka.tls is not None
    assert settings.kafka.tls.ca == tmp_path / "ca.pem"
    assert settings.clickhouse.tls is not None
    assert settings.clickhouse.tls.ca == Path("/etc/ssl/ca.pem")


@pytest.mark.parametrize(
    ("table", "ca", "key"),
    [
        ("../regions.csv", "ca.pem", "regions.table"),
        ("tables/../../regions.csv", "ca.pem", "regions.table"),
        ("link/regions.csv", "ca.pem", "regions.table"),
        ("regions.csv", "../ca.pem", "kafka.tls.ca"),
    ],
)
def test_a_relative_path_that_leads_out_of_the_folder_is_refused(
    table: str, ca: str, key: str, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    path = folder / "tidecast.toml"
    path.write_text(with_paths(table, ca))
    with pytest.raises(SettingsError, match=rf"{key} = .* leads out of .*write the whole path"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({}, "name a table or a topic"),
        ({"table": "t.csv", "topic": "t"}, "name a table or a topic"),
        ({"table": "t.csv", "by": ["region"]}, "by is for a topic"),
        ({"topic": "t", "kind": "static"}, 'kind = "static" needs a table'),
        ({"topic": "t", "by": ["store"]}, "covariates"),
        ({"topic": "no such topic"}, "covariates.*topic"),
        ({"topic": "clicks"}, "topics: clicks stands twice"),
    ],
)
def test_a_covariate_is_told_by_a_table_or_by_a_topic(of: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_settings(TABLES | {"covariates": [{"name": "promotion", **of}]})


def test_the_topics_of_covariates_change_the_fingerprint() -> None:
    told = [
        parse_settings(TABLES | {"covariates": [{"name": "price", "topic": topic, "by": by}]})
        for topic, by in (("prices", []), ("prices", ["region"]), ("other", []))
    ]
    assert len({settings.fingerprint() for settings in told}) == 3
    assert told[0].covariate_topics == ("prices",)


@pytest.mark.parametrize("code", ["Germany", "de", "", "DE-", "DE-BY\n"])
def test_a_country_that_is_no_code_is_told_how_codes_are_written(code: str) -> None:
    with pytest.raises(SettingsError, match='as ISO 3166 does, or a part of one: "GB", "DE-BY"'):
        parse_settings(tables_with("shop.holidays", code))


def test_regions_may_keep_holidays_of_their_own() -> None:
    settings = parse_settings(tables_with("regions.holidays", {"north": "DE-BY"}))
    assert settings.regions.holidays == {"north": "DE-BY"}
    assert settings.fingerprint() != parse_settings(TABLES).fingerprint()
    with pytest.raises(SettingsError, match=r"regions\.holidays\.north = 'Bavaria'"):
        parse_settings(tables_with("regions.holidays", {"north": "Bavaria"}))


def test_holidays_are_a_country_or_a_part_of_one_and_change_the_fingerprint() -> None:
    settings: Settings = parse_settings(tables_with("shop.holidays", "DE-BY"))
    assert settings.shop.holidays == "DE-BY"
    assert settings.fingerprint() != parse_settings(TABLES).fingerprint()
    with pytest.raises(SettingsError, match=r"shop\.holidays"):
        parse_settings(tables_with("shop.holidays", "Germany"))
