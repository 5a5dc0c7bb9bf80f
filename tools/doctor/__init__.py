"""``tidecast doctor``: look at everything a live run needs, and say what to mend."""
