"""Peers: forecasters of other houses, to be compared with; they never feed the blend."""
