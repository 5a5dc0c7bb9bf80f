"""What is said below the pictures of a backtest."""

from __future__ import annotations

__all__ = [
    "ACCURACY",
    "COVERAGE",
    "FANS",
    "MAP",
    "PARTS",
    "WEIGHTS",
    "WEIGHTS_BY_LEAD",
    "WORST_CELLS",
]

FANS = (
    "Each fan is one forecast at all its leads, made at a dotted line; the next begins where it "
    "ends. Line and bands: the mean and the central intervals; dots: what happened. Shown "
    "are the last bins of the run. The cells were chosen when the first fan opened, by what was "
    "known then. The sum has intervals of its own, where all of its cells are known."
)
PARTS = (
    "Every bar is one lead: what adds to the mean is stacked upwards, what takes from it "
    "downwards; the line is the mean, the sum of all."
)
ACCURACY = (
    "WAPE over all cells, the sum of absolute errors of the median over the sum of actuals, of "
    "tidecast (the thick line) and of each of its experts alone. Lower is better. A line that "
    "leaves the picture above is more than three times as wrong."
)
COVERAGE = (
    "The share of actuals that fell inside tidecast's intervals on each scored day, over all cells "
    "and leads (counts by their randomised PIT); dashed: the share that was promised. Where there "
    "are many days they are thin, and the mean of seven is thick."
)
WEIGHTS = (
    "How much each expert had to say, as means over the leads and origins of each day, from the "
    "first bin on."
)
WEIGHTS_BY_LEAD = "The same by lead, in the newest fifth of the days."
WORST_CELLS = (
    "The cells where tidecast's error (dot) is largest beside that of a plain yardstick (diamond), "
    "the worst on top. Left out are the smallest cells, which together hold a tenth of all that "
    "was observed. Where a dot lies right of its diamond, the yardstick alone would have "
    "been better."
)
MAP = (
    "Area: the size of the region's sum in a mean bin. Colour, and the figure beside the name: its "
    "WAPE over all leads, that of the mean; lighter is better. Small regions are hard to forecast."
)
