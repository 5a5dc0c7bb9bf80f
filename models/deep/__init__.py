"""Deep networks: windows of all cells in, forecasts of all cells and leads out. Needs torch."""
