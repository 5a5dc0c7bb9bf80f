"""The profile made of settings."""

from __future__ import annotations

from dataclasses import replace

from tidecast.models.profile import ForecastProfile
from tidecast.state.settings import Settings
from tidecast.state.settings.experts import DEFAULT_EXPERTS

SHOP = {
    "sources": [{"name": "orders", "topic": "orders", "stream": "order"}],
    "series": [
        {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"},
        {"name": "orders", "stream": "order", "aggregate": "count"},
    ],
}


def test_a_profile_takes_series_horizon_levels_and_seasons_from_the_settings() -> None:
    settings = Settings.model_validate(
        {**SHOP, "forecast": {"horizon": 6, "quantile_levels": [0.2, 0.5], "season_lengths": [8]}}
    )
    profile = ForecastProfile.of(settings)
    assert profile.series == ("demand", "orders")
    assert profile.horizon == 6
    assert profile.quantile_levels == (0.2, 0.5)
    assert profile.season_lengths == (8,)
    assert profile.experts == DEFAULT_EXPERTS
    assert profile.intervals == ()


def test_seasons_are_told_by_their_length_and_a_long_one_is_never_short() -> None:
    profile = ForecastProfile.of(Settings.model_validate(SHOP))
    told = [
        (one.shortest_season, one.longest_season, one.short_season)
        for one in (replace(profile, season_lengths=of) for of in ((24, 168), (337,), ()))
    ]
    assert told == [(24, 168, 24), (337, 337, 0), (0, 0, 0)]


def test_a_profile_asks_the_experts_that_the_settings_name() -> None:
    named = {"forecast": {"experts": ["linear", "seasonal_naive"]}}
    profile = ForecastProfile.of(Settings.model_validate(SHOP | named))
    assert profile.experts == ("linear", "seasonal_naive")


def test_sums_are_forecast_by_those_who_add_something_and_are_never_refitted() -> None:
    profile = ForecastProfile.of(Settings.model_validate(SHOP))
    assert {*profile.experts} - {*profile.of_totals().experts} == {"linear", "trees"}
    assert replace(profile, experts=("trees",)).of_totals().experts == ("seasonal_naive",)


def test_seasons_are_the_day_and_the_week_unless_set() -> None:
    profile = ForecastProfile.of(Settings.model_validate({**SHOP, "bins": {"width": "30m"}}))
    assert profile.season_lengths == (48, 336)
    assert profile.context_length > 336 + profile.horizon


def test_central_intervals_are_the_symmetric_pairs_widest_first() -> None:
    profile = ForecastProfile.of(Settings.model_validate(SHOP))
    assert profile.quantile_levels == (0.05, 0.1, 0.5, 0.9, 0.95)
    assert profile.intervals == (0.9, 0.8)
    assert profile.interval_levels == ((0, 4), (1, 3))
