"""What ClickHouse's error codes mean for one who writes: wait, send less, put aside, or give up."""

from __future__ import annotations

from tidecast.state.errors import (
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreRowsError,
)

__all__ = ["kind_of_refusal"]

WAIT = {
    74: "cannot read from a file",
    75: "cannot write to a file",
    76: "cannot open a file",
    159: "time-out",
    173: "cannot allocate memory",
    201: "quota used up",
    202: "too many queries at once",
    209: "socket time-out",
    210: "network error",
    225: "no ZooKeeper",
    236: "aborted",
    242: "table is read-only for now",
    243: "not enough space",
    252: "too many parts: merges are behind",
    285: "too few live replicas",
    319: "unknown whether an insert was kept",
    394: "query was cancelled",
    425: "system error",
    439: "cannot schedule a task",
    745: "server overloaded",
    999: "ZooKeeper's error",
}
MEMORY_LIMIT = 241
ROWS = {
    6: "cannot parse text",
    26: "cannot parse a quoted string",
    27: "cannot parse input",
    33: "cannot read all data",
    38: "cannot parse a date",
    41: "cannot parse a time",
    53: "type mismatch",
    69: "argument out of bound",
    70: "cannot convert a type",
    72: "cannot parse a number",
    117: "incorrect data",
    128: "too large an array",
    131: "too large a string",
    190: "sizes of arrays differ",
    321: "value out of range",
    349: "null where none may be",
    395: "a function threw",
    407: "decimal overflow",
    469: "constraint violated",
}
FULL_DISK = "No space left on device"  # comes under several codes, some of them of std::exception
MANY_PARTITIONS = "single INSERT block"  # the same code as of merges that are behind


def kind_of_refusal(code: int, text: str) -> type[StoreError]:
    """Return what to raise for an error of this code and text.

    A code that is not known here is a plain ``StoreError``: nothing that waiting or leaving a row
    out would mend.

    Examples
    --------
    >>> kind_of_refusal(243, "Not enough space").__name__
    'StoreAwayError'
    """
    if code == MEMORY_LIMIT or MANY_PARTITIONS in text:
        return StoreFullError
    if code in WAIT or FULL_DISK in text:
        return StoreAwayError
    return StoreRowsError if code in ROWS else StoreError
