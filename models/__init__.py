"""Experts, blend, quantiles and scores: arrays in, arrays out."""
