"""Certificates for tests: an authority, a server, a stranger's server and a client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = ["Certificates", "Pair", "make_certificates"]

HERE = ("127.0.0.1", "localhost")
ELSEWHERE = ("elsewhere.example",)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, its key, and both in one file."""

    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Certificates:
    """What the servers and clients of the tests show each other."""

    authority: Path
    other_authority: Path
    server: Pair
    stranger: Pair
    client: Pair


def make_certificates(folder: Path) -> Certificates:
    """Write new certificates below ``folder``; the stranger's is for another host."""
    authority, other = trustme.CA(), trustme.CA()
    found = Certificates(
        authority=folder / "authority.pem",
        other_authority=folder / "other-authority.pem",
        server=_pair(folder / "server", authority.issue_cert(*HERE)),
        stranger=_pair(folder / "stranger", authority.issue_cert(*ELSEWHERE)),
        client=_pair(folder / "client", authority.issue_cert("machine@shop.example")),
    )
    authority.cert_pem.write_to_path(found.authority)
    other.cert_pem.write_to_path(found.other_authority)
    return found


def _pair(start: Path, issued: trustme.LeafCert) -> Pair:
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    # Kafka reads PKCS 8 only.
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    pair = Pair(*(start.with_suffix(f".{kind}.pem") for kind in ("certificate", "key", "both")))
    pair.certificate.write_bytes(chain)
    for path, content in ((pair.key, text), (pair.both, text + chain)):
        path.touch(mode=0o600)
        path.write_bytes(content)
    return pair
