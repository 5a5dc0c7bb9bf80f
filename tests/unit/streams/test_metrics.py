"""What a step of a source partition gives is counted, each fate by itself."""

from __future__ import annotations

import numpy as np
from prometheus_client import REGISTRY
from shops import shop

from tidecast.state.partition import Outcome, Rejected
from tidecast.streams.ingest import SourceFold
from tidecast.streams.metrics import ForecastMetrics, IngestMetrics

FATES = ("accepted", "refused", "late", "duplicate", "unremembered")


def counted(source: str) -> list[float]:
    place = {"source": source, "partition": "3"}
    names = [f"tidecast_{fate}_records_total" for fate in FATES]
    return [REGISTRY.get_sample_value(name, place) or 0.0 for name in names]


def test_the_records_of_a_step_are_counted_by_their_fate() -> None:
    partition = SourceFold(shop(), shop().sources[0]).partition(3)
    out = [Rejected(0, "not_json: no", b"")]
    outcome = Outcome([], out, 2 * out, accepted=7, duplicates=4, unremembered=5)
    IngestMetrics().note("counted-once", partition, outcome)
    assert counted("counted-once") == [7, 1, 2, 4, 5]
    IngestMetrics().note("counted-once", partition, Outcome(accepted=1))
    assert counted("counted-once") == [8, 1, 2, 4, 5]


def moved(series: str) -> float | None:
    return REGISTRY.get_sample_value("tidecast_blend_weight_movement", {"series": series})


def test_weights_move_as_far_as_those_of_the_same_experts_did() -> None:
    metrics, series = ForecastMetrics(), "counted-by-expert"
    for weights in ({"naive": 0.75, "linear": 0.25}, {"naive": 0.25, "trees": 0.75}):
        metrics.weights([series], {name: np.array([[w]]) for name, w in weights.items()})
    assert moved(series) is None, "who sleeps now and who slept then are not held together"
    metrics.weights([series], {"naive": np.array([[0.5]]), "trees": np.array([[0.5]])})
    assert moved(series) == 0.25
