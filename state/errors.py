"""Every error a user may meet, in one tree.

TidecastError
├── SettingsError      the settings are wrong: key, value and remedy        exit 2
├── LogError           an event log cannot be read                          exit 3
├── ServiceError       a broker or server is missing or refuses us          exit 4
│   └── StoreError     ClickHouse or chDB refuses a statement               exit 4
│       ├── StoreAwayError   it cannot be reached or serve us now: wait     exit 4
│       │   └── StoreFullError   so much at once: a smaller insert may pass exit 4
│       └── StoreRowsError   it will never take these rows                  exit 4
├── CheckpointError    a checkpoint is damaged or belongs to other settings exit 5
└── ContractError      a record breaks its wire contract                    exit 6
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "ContractError",
    "LogError",
    "ServiceError",
    "SettingsError",
    "StoreAwayError",
    "StoreError",
    "StoreFullError",
    "StoreRowsError",
    "TidecastError",
]


class TidecastError(Exception):
    """A problem named in one sentence, with what to do about it."""

    exit_code = 1


class SettingsError(TidecastError):
    """The settings are wrong: the message names the key, the value and the remedy."""

    exit_code = 2


class LogError(TidecastError):
    """An event log is missing, unreadable or of an unknown kind."""

    exit_code = 3


class ServiceError(TidecastError):
    """A broker or server is away, refuses us, or lacks what we need."""

    exit_code = 4


class StoreError(ServiceError):
    """ClickHouse or chDB refused a statement or cannot be opened."""


class StoreAwayError(StoreError):
    """The store cannot be reached, or cannot serve us now: the same may pass a while later."""


class StoreFullError(StoreAwayError):
    """The store cannot take so much at once: a smaller insert may pass now."""


class StoreRowsError(StoreError):
    """The store will never take these rows; others it may take."""


class CheckpointError(TidecastError):
    """A checkpoint is damaged, of an unknown version, or of other settings."""

    exit_code = 5


class ContractError(TidecastError):
    """A record breaks its wire contract; the message is the dead letter's reason."""

    exit_code = 6
