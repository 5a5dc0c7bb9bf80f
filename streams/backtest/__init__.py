"""What a backtest reads: long tables, event logs, and where regions lie."""
