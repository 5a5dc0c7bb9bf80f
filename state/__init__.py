"""Vocabulary, time and space arithmetic, cuts, slabs, windows, settings, errors: pure NumPy."""
