"""Settings of a shop that counts its clicks."""

from __future__ import annotations

__all__ = ["click_settings"]


def click_settings(
    topic: str = "{prefix}clicks", width: str = "", horizon: int = 0, **source: str
) -> str:
    """Return settings of one source of clicks, counted as traffic; more keys of the source.

    Where no ``width`` or ``horizon`` is given, the settings do not name any.
    """
    bins = ["[bins]", f'width = "{width}"'] if width else []
    keys = {"name": "clicks", "topic": topic, "stream": "click", **source}
    sources = ["[[sources]]", *(f'{key} = "{value}"' for key, value in keys.items())]
    series = ["[[series]]", 'name = "traffic"', 'stream = "click"', 'aggregate = "count"']
    forecast = ["[forecast]", f"horizon = {horizon}"] if horizon else []
    return "\n".join([*bins, *sources, *series, *forecast, ""])
