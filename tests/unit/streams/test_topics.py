"""Names and plans of the topics."""

from __future__ import annotations

from dataclasses import astuple

from tidecast.state.settings import parse_settings
from tidecast.streams.topics import plan_topics, topic_names

SETTINGS = parse_settings(
    {
        "sources": [{"name": "c", "topic": "shop-clicks", "stream": "click"}],
        "series": [{"name": "traffic", "stream": "click", "aggregate": "count"}],
        "kafka": {"topic_prefix": "eu.shop"},
    }
)


def test_names_stand_under_the_prefix() -> None:
    assert astuple(topic_names("eu.shop")) == (
        "eu.shop.cuts",
        "eu.shop.windows",
        "eu.shop.deep-forecasts",
        "eu.shop.predictions",
        "eu.shop.scores",
        "eu.shop.progress",
        "eu.shop.late",
        "eu.shop.dead-letters",
        "eu.shop.checkpoints",
    )


def test_every_topic_is_planned_once() -> None:
    names = [plan.name for plan in plan_topics(SETTINGS, 4)]
    assert sorted(names) == sorted(["shop-clicks", *astuple(topic_names("eu.shop"))])


def test_partitions_are_for_sources_and_one_log_feeds_the_forecaster() -> None:
    partitions = {plan.name: plan.partitions for plan in plan_topics(SETTINGS, 4)}
    assert partitions["shop-clicks"] == 4
    assert partitions["eu.shop.cuts"] == partitions["eu.shop.windows"] == 1


def test_a_topic_of_covariates_has_one_partition_however_many_it_tells() -> None:
    of = [{"name": name, "topic": "told"} for name in ("promotion", "price")]
    settings = parse_settings(SETTINGS.model_dump(exclude_unset=True) | {"covariates": of})
    plans = plan_topics(settings, 4)
    assert [plan.partitions for plan in plans if plan.name == "told"] == [1]


def test_no_topic_is_compacted_or_deletes_by_time() -> None:
    for plan in plan_topics(SETTINGS, 4):
        assert plan.config["cleanup.policy"] == "delete"
        assert plan.config["retention.ms"] == plan.config["retention.bytes"] == "-1"
