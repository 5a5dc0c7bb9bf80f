"""A real broker and a real ClickHouse server that ask for TLS, log-ins and rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import Certificates
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from tidecast.tools.services.clickhouse import prepare_clickhouse
from tidecast.tools.services.endpoints import ClickHouseEndpoint
from tidecast.tools.services.kafka import prepare_kafka
from tidecast.tools.services.ports import LOOPBACK, free_ports
from tidecast.tools.services.probe import wait_until_answers
from tidecast.tools.services.process import Launch, OwnProcess

__all__ = [
    "CANARY",
    "GUEST",
    "USER",
    "SecuredClickHouse",
    "SecuredKafka",
    "secured_clickhouse",
    "secured_kafka",
]

USER, GUEST = "ann", "bob"
CANARY = "c4nary-Pa55word"
"""Ann's password, which must be nowhere but where she wrote it; Bob's has ``-bob`` after it."""

LISTENERS = {
    "LOGIN": "SASL_PLAINTEXT",
    "SECURED": "SASL_SSL",
    "MUTUAL": "SSL",
    "STRANGER": "SSL",
}
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class SecuredKafka:
    """One broker with an address for each way to speak to it.

    Ann and whoever shows the client's certificate may do everything, Bob nothing.
    """

    plain: str
    login: str
    secured: str
    mutual: str
    stranger: str


@dataclass(frozen=True)
class SecuredClickHouse:
    """One server with a port in plain text and one that speaks TLS."""

    plain: ClickHouseEndpoint
    secured: ClickHouseEndpoint


@contextmanager
def secured_kafka(folder: Path, certificates: Certificates) -> Iterator[SecuredKafka]:
    """Run a broker with log-ins, TLS and rights."""
    launch = prepare_kafka(folder)
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    with Path(launch.argv[-1]).open("a") as properties:
        properties.write(_listeners(str(launch.endpoint), ports, _controller(launch)))
        properties.write(_tls(certificates))
        properties.write(_log_ins())
    with _running(launch):
        _add_users(str(launch.endpoint))
        places = {name.lower(): f"{LOOPBACK}:{port}" for name, port in ports.items()}
        yield SecuredKafka(plain=str(launch.endpoint), **places)


@contextmanager
def secured_clickhouse(folder: Path, certificates: Certificates) -> Iterator[SecuredClickHouse]:
    """Run a ClickHouse server that also speaks TLS; its user's password is the canary."""
    launch = prepare_clickhouse(folder)
    (port,) = free_ports(1)
    config = folder / "config.xml"
    pair = certificates.server
    config.write_text(
        config.read_text().replace(
            "</yandex>",
            f"<tcp_port_secure>{port}</tcp_port_secure><openSSL><server>"
            f"<certificateFile>{pair.certificate}</certificateFile>"
            f"<privateKeyFile>{pair.key}</privateKeyFile>"
            "<verificationMode>none</verificationMode></server></openSSL></yandex>",
        )
    )
    assert isinstance(launch.endpoint, ClickHouseEndpoint)
    with _running(launch):
        secured = launch.endpoint.model_copy(update={"port": port})
        yield SecuredClickHouse(launch.endpoint, secured)


def _controller(launch: Launch) -> str:
    text = Path(launch.argv[-1]).read_text()
    return next(part for part in text.split(",") if part.startswith("CONTROLLER://")).split()[0]


def _listeners(plain: str, ports: dict[str, int], controller: str) -> str:
    named = [f"PLAINTEXT://{plain}", *(f"{n}://{LOOPBACK}:{p}" for n, p in ports.items())]
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **LISTENERS}
    return f"""\
listeners={",".join([*named, controller])}
advertised.listeners={",".join(named)}
listener.security.protocol.map={",".join(f"{n}:{p}" for n, p in protocols.items())}
inter.broker.listener.name=PLAINTEXT
"""


def _tls(certificates: Certificates) -> str:
    keys = dict.fromkeys(("secured", "mutual"), certificates.server)
    keys["stranger"] = certificates.stranger
    lines = [
        f"listener.name.{name}.ssl.{key}"
        for name, pair in keys.items()
        for key in (
            f"keystore.location={pair.both}",
            "keystore.type=PEM",
            f"truststore.location={certificates.authority}",
            "truststore.type=PEM",
        )
    ]
    lines.append("listener.name.mutual.ssl.client.auth=required")
    lines.append("listener.name.mutual.ssl.principal.mapping.rules=RULE:^.*$/machine/")
    return "\n".join(lines) + "\n"


def _log_ins() -> str:
    security = "org.apache.kafka.common.security"
    passwords = f'user_{USER}="{CANARY}" user_{GUEST}="{CANARY}-bob"'
    modules = {"plain": f"{security}.plain.PlainLoginModule required {passwords};"}
    modules |= {m.lower(): f"{security}.scram.ScramLoginModule required;" for m in SCRAM}
    lines = [
        f"listener.name.{name}.{mechanism}.sasl.jaas.config={module}"
        for name in ("login", "secured")
        for mechanism, module in modules.items()
    ]
    lines.append("sasl.enabled.mechanisms=PLAIN," + ",".join(SCRAM))
    lines.append("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer")
    lines.append(f"super.users=User:ANONYMOUS;User:{USER};User:machine")
    return "\n".join(lines) + "\n"


def _add_users(plain: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=plain)
    try:
        for name in SCRAM:
            mechanism = ScramMechanism[name.replace("-", "_")]
            users = [
                UserScramCredentialUpsertion(user, mechanism, password)
                for user, password in ((USER, CANARY), (GUEST, f"{CANARY}-bob"))
            ]
            found = admin.alter_user_scram_credentials(users)
            assert not any(found.values()), found
    finally:
        admin.close()


@contextmanager
def _running(launch: Launch) -> Iterator[None]:
    process = OwnProcess.start(launch)
    try:
        wait_until_answers(
            launch.endpoint,
            within_s=60,
            remedy=f"see {launch.log}",
            give_up=lambda: None if process.is_alive() else launch.log.read_text()[-2_000:],
        )
        yield
    finally:
        process.stop()
