"""A shop to show: seeded, realistic event logs, with the truth beside them."""

from tidecast.tools.simulate.happenings import Happening
from tidecast.tools.simulate.write import SimulatedShop, SourceCounts, simulate

__all__ = ["Happening", "SimulatedShop", "SourceCounts", "simulate"]
