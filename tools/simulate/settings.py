"""The settings that read a simulated shop's logs."""

from __future__ import annotations

from tidecast.tools.simulate.faults import FAULTS
from tidecast.tools.simulate.shop import TIME_ZONE

__all__ = ["settings_text"]

STREAMS = {"clicks": "click", "orders": "order", "logistics": "logistics"}
SECOND = 1_000_000


def settings_text() -> str:
    """Return the text of ``tidecast.toml``."""
    return "\n".join([HEAD.format(zone=TIME_ZONE), *map(_source, FAULTS), SERIES])


def _source(name: str) -> str:
    faults = FAULTS[name]
    return SOURCE.format(
        name=name,
        stream=STREAMS[name],
        disorder=faults.max_disorder // SECOND,
        lateness=faults.allowed_lateness // SECOND,
    )


HEAD = """\
# How tidecast reads this simulated shop: `tidecast --settings tidecast.toml replay *.ndjson`

[shop]
time_zone = "{zone}"

[bins]
width = "1h"

[regions]
by = "field"
table = "regions.csv"
"""

SOURCE = """\
[[sources]]
name = "{name}"
topic = "{name}"
stream = "{stream}"
max_disorder = "{disorder}s"
allowed_lateness = "{lateness}s"
"""

SERIES = """\
[[series]]
name = "demand"
stream = "order"
aggregate = "sum"
of = "units"
kinds = ["order"]

[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
kinds = ["view"]

[[series]]
name = "delivery_hours"
stream = "logistics"
aggregate = "mean"
of = "hours"
kinds = ["delivered"]

[forecast]
horizon = 12
"""
