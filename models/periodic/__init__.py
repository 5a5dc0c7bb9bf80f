"""Experts that are fitted from time to time, apart, and swapped in."""
