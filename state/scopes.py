"""Scopes: named things of several parts under one set of names, ``part/name``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["nested", "scoped"]

T = TypeVar("T")


def nested(parts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Return what several parts hold as one, each under its name and a slash."""
    return {f"{scope}/{name}": each for scope, part in parts.items() for name, each in part.items()}


def scoped(things: Mapping[str, T], scope: str) -> dict[str, T]:
    """Return what ``nested`` put under ``scope``.

    Examples
    --------
    >>> scoped(nested({"a": {"x": 1}, "b": {"x": 2}}), "b")
    {'x': 2}
    """
    start = f"{scope}/"
    return {name.removeprefix(start): t for name, t in things.items() if name.startswith(start)}
