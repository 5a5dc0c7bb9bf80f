"""A live run kept in a folder, so that a replay repeats it bit for bit.

What a run has given follows from two things: the records of each source partition, and the order of
the cuts topic, in which the decisions stand too. A recording is a copy of both.
"""

from tidecast.streams.recording.folder import Recording
from tidecast.streams.recording.repeat import Recorded

__all__ = ["Recorded", "Recording"]
