"""What ClickHouse's codes mean: wait, send less, put aside, or give up."""

from __future__ import annotations

import pytest

from tidecast.state.errors import StoreAwayError, StoreError, StoreFullError, StoreRowsError
from tidecast.streams.store.refusals import kind_of_refusal


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (241, "Memory limit (for query) exceeded", StoreFullError),
        (252, "Too many partitions for single INSERT block (more than 100)", StoreFullError),
        (252, "Too many parts (300). Merges are processing slower", StoreAwayError),
        (243, "Cannot reserve 1.00 MiB, not enough space", StoreAwayError),
        (75, "Cannot write to file, errno: 28", StoreAwayError),
        (1001, "std::exception: filesystem error: No space left on device", StoreAwayError),
        (242, "Table is in readonly mode", StoreAwayError),
        (202, "Too many simultaneous queries", StoreAwayError),
        (53, "Type mismatch", StoreRowsError),
        (469, "Constraint is violated", StoreRowsError),
        (60, "Table doesn't exist", StoreError),
        (81, "Database doesn't exist", StoreError),
        (497, "Not enough privileges", StoreError),
        (164, "Cannot insert in readonly mode", StoreError),
        (49, "Logical error", StoreError),
    ],
)
def test_each_refusal_has_its_remedy(code: int, text: str, kind: type[StoreError]) -> None:
    assert kind_of_refusal(code, text) is kind
