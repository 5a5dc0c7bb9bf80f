"""Experts that learn with every closed bin."""
