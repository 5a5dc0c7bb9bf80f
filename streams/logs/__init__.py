"""Recorded event logs: reading, dealing out to partitions, merging by event time."""

from tidecast.streams.logs.deal import Dealer
from tidecast.streams.logs.merge import Piece, TimedLog, merge
from tidecast.streams.logs.read import LogReader
from tidecast.streams.logs.spec import LogSpec, parse_log_specs

__all__ = ["Dealer", "LogReader", "LogSpec", "Piece", "TimedLog", "merge", "parse_log_specs"]
