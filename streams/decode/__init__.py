"""From the raw records of a source to events: a columnar path, and the judge of the rest."""

from tidecast.state.events import Events, Refusal
from tidecast.streams.decode.decoder import Decoder
from tidecast.streams.decode.judge import Judge, Judged

__all__ = ["Decoder", "Events", "Judge", "Judged", "Refusal"]
