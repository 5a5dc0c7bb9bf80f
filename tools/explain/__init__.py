"""The command ``tidecast explain``, and what a backtest says of one forecast."""
