"""How chaos compares topics with a repeated run: what no worker wrote is told apart."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import outputs
import pytest
from outputs import Expected, put_aside

WINDOW = orjson.dumps({"bin": 5, "revision": 0, "values": [[1.0]]})
REFUSED = orjson.dumps({"source": "clicks", "topic": "clicks", "partition": 0, "offset": 9})


def letter(topic: str, offset: int) -> bytes:
    """Return what the sink says of a record that it has put aside."""
    return orjson.dumps({"source": "sink", "topic": topic, "partition": 0, "offset": offset})


def compared(
    monkeypatch: pytest.MonkeyPatch, kind: str, expected: bytes, values: list[bytes | None]
) -> outputs.Compared:
    records = [SimpleNamespace(partition=0, offset=o, value=v) for o, v in enumerate(values)]
    monkeypatch.setattr(outputs, "read_topic", lambda *_: iter(records))
    wanted = Expected(kind)
    wanted.add(expected)
    return outputs._compared("", kind, wanted)


@pytest.mark.parametrize("poison", [b"{poison", b"\x00\xff", b'{"schema_version":1}', b"[]", None])
def test_what_no_worker_wrote_is_neither_extra_nor_different(
    monkeypatch: pytest.MonkeyPatch, poison: bytes | None
) -> None:
    windows = compared(monkeypatch, "windows", WINDOW, [poison, WINDOW, WINDOW])
    letters = compared(monkeypatch, "dead_letters", REFUSED, [REFUSED, letter("windows", 0)])
    assert windows.is_same
    assert letters.is_same
    assert (windows.told, windows.resent) == (1, 1)
    foreign, aside = put_aside([windows, letters])
    assert foreign == aside == {("windows", 0, 0)}


def test_a_record_that_the_repeated_run_does_not_give_is_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = orjson.dumps({"bin": 6, "revision": 0})
    result = compared(monkeypatch, "windows", WINDOW, [WINDOW, other])
    assert (result.extra, result.different, result.missing) == (1, 0, 0)
    changed = orjson.dumps({"bin": 5, "revision": 0, "values": [[2.0]]})
    result = compared(monkeypatch, "windows", WINDOW, [changed])
    assert (result.extra, result.different, result.missing) == (0, 1, 1)
