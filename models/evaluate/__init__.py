"""Evaluation: what forecasts were worth, over a whole run."""
