"""``tidecast backtest``: what forecasts would have been worth."""
