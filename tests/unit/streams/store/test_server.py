"""What a server may answer before it is one of ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidecast.state.errors import StoreError
from tidecast.state.settings import ClickHouseSettings, TlsSettings
from tidecast.streams.store import open_server

Greet = Callable[[bytes], int]


@pytest.fixture
def greet() -> Iterator[Greet]:
    """Start a server that says ``greeting``, or hangs up; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(greeting: bytes) -> int:
        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1024)
                if greeting:
                    client.sendall(greeting)
                    client.recv(1024)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    for thread in threads:
        thread.join(timeout=5)
    listener.close()


def test_a_server_of_another_age_is_named_with_its_version(greet: Greet) -> None:
    hello = b"\x00" + b"\x0aClickHouse" + bytes([1, 1]) + b"\xb2\xa6\x03"  # 1.1, revision 54066
    with pytest.raises(StoreError, match=r"ClickHouse 1\.1 .* too old: tidecast needs 18\.16"):
        open_server(ClickHouseSettings(port=greet(hello + b"\x03UTC")))


def test_a_port_of_another_protocol_is_named_with_the_remedy(greet: Greet) -> None:
    with pytest.raises(StoreError, match="not the HTTP port"):
        open_server(ClickHouseSettings(port=greet(b"HTTP/1.1 400 Bad Request\r\n\r\n")))


def test_a_connection_that_is_closed_at_once_is_one_sentence(greet: Greet) -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        open_server(ClickHouseSettings(port=greet(b"")))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = ClickHouseSettings(tls=TlsSettings(ca=tmp_path / "ca.pem"))
    with pytest.raises(StoreError, match=r"ca\.pem, which is no file"):
        open_server(settings)
