"""TLS to the servers: from settings to a context, and from a failed handshake to its remedy."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from tidecast.state.errors import ServiceError
from tidecast.state.settings import TlsSettings

__all__ = ["shake_hands", "speaks_tls", "tls_context", "tls_remedy"]

_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_EXPIRED = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_WANTS_OURS = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA")


def tls_context(settings: TlsSettings | None, table: str = "kafka.tls") -> ssl.SSLContext | None:
    """Return how to speak TLS by the settings of ``table``; None for plain text.

    Raises
    ------
    ServiceError
        When a certificate or key file is missing or unusable.
    """
    if settings is None:
        return None
    for key in ("ca", "certificate", "key"):
        path = getattr(settings, key)
        if path is not None and not path.is_file():
            raise ServiceError(f"{table}.{key} names {path}, which is no file: mend the path")
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate is not None:
            # A password that is asked for would stop a worker at a prompt.
            context.load_cert_chain(settings.certificate, settings.key, password=lambda: b"")
    except OSError as error:  # ssl.SSLError is one
        raise ServiceError(
            f"{table}: a certificate or key cannot be used ({error}): check ca, certificate, key "
            "(PEM files, the key without a password)"
        ) from error
    context.check_hostname = settings.verify_host
    return context


def shake_hands(
    context: ssl.SSLContext, host: str, connection: socket.socket, patience_seconds: float = 0.0
) -> None:
    """Shake hands over ``connection``, which is closed then.

    A server that dislikes our certificate may say so only when we think that all is done:
    ``patience_seconds`` waits for that.

    Raises
    ------
    OSError
        ``ssl.SSLError`` among them: what ``tls_remedy`` explains.
    """
    with context.wrap_socket(connection, server_hostname=host) as secured:
        if not patience_seconds:
            return
        secured.settimeout(patience_seconds)
        with suppress(TimeoutError):
            secured.recv(1)


def speaks_tls(connection: socket.socket) -> bool:
    """Tell whether whoever listens answers a TLS greeting at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with context.wrap_socket(connection):
            return True
    except OSError as error:
        return any(reason in str(error) for reason in _WANTS_OURS)


def tls_remedy(error: OSError, table: str) -> str:
    """Say what is wrong with a handshake, and which setting of ``table`` mends it."""
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_remedy(error, table)
    if any(reason in text for reason in _WANTS_OURS):
        return f"it asks for a certificate that it trusts: set {table}.certificate and {table}.key"
    if isinstance(error, ssl.SSLError) and "EOF" not in text and "WRONG_VERSION" not in text:
        return f"TLS fails ({error.reason or text}): check [{table}]"
    return f"it speaks no TLS there: name its TLS port, or remove [{table}]"


def _certificate_remedy(error: ssl.SSLCertVerificationError, table: str) -> str:
    if error.verify_code in _MISMATCH:
        return (
            f"its certificate is for another host ({error.verify_message}): use the host's name "
            f"that the certificate carries, or set {table}.verify_host = false"
        )
    if error.verify_code in _EXPIRED:
        return f"{error.verify_message}: renew the server's certificate, or mend this clock"
    return (
        f"its certificate is signed by nobody we trust ({error.verify_message}): "
        f"set {table}.ca to the PEM file of its authority"
    )
