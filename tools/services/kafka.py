"""One Apache Kafka broker from Maven's jars: KRaft, one process, no root."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from importlib.resources import as_file, files
from pathlib import Path

from tidecast.state.errors import ServiceError
from tidecast.tools.services.cache import kept
from tidecast.tools.services.endpoints import KafkaEndpoint
from tidecast.tools.services.ports import LOOPBACK, free_ports
from tidecast.tools.services.process import Launch
from tidecast.tools.services.shell import program, run

__all__ = ["OLDEST_JAVA", "cluster_id", "java_version", "prepare_kafka", "server_properties"]

OLDEST_JAVA = 17

_JAVA_REMEDY = f"install Java {OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jre-headless)"
# Java reads the names of files in the locale's encoding.
_UTF8 = {"LC_ALL": "C.UTF-8"}
_MAVEN_REMEDY = "install Maven (Debian: apt install maven)"


def prepare_kafka(folder: Path) -> Launch:
    """Fetch the jars once, format the storage in `folder` and return how to start the broker.

    Raises
    ------
    ServiceError
        When Java or Maven is missing or too old, or the jars cannot be fetched.
    """
    java = _java()
    classes = f"{_jars()}/*"
    port, controller_port = free_ports(2)
    properties = folder / "server.properties"
    properties.write_text(server_properties(folder / "data", port, controller_port))
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    format_ = ["kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(properties)]
    run([java, "-Xmx128m", quiet, "-cp", classes, *format_], timeout_s=60, environment=_UTF8)
    return Launch(
        argv=[
            *(java, "-Xms256m", "-Xmx512m", "-Djava.awt.headless=true", quiet),
            *("-cp", classes, "kafka.Kafka", str(properties)),
        ],
        environment=_UTF8,
        log=folder / "kafka.log",
        endpoint=KafkaEndpoint(bootstrap=f"{LOOPBACK}:{port}"),
    )


def server_properties(data: Path, port: int, controller_port: int) -> str:
    """Write the settings of a lone broker that is also its own controller."""
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{controller_port}
listeners=PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}
advertised.listeners=PLAINTEXT://{LOOPBACK}:{port}
controller.listener.names=CONTROLLER
log.dirs={_in_java(data)}
# A misspelt topic must be an error, not a new topic.
auto.create.topics.enable=false
# Lone broker: nothing can be replicated, and nobody else is worth waiting for.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# The defaults of 50 partitions each only cost time at the first join.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
# Records of 20 MB are part of the tests.
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
# The cleaner's default buffer is a quarter of this broker's heap.
log.cleaner.dedupe.buffer.size=33554432
"""


def _in_java(path: Path) -> str:
    """Write a path as a Java properties file holds it: ASCII, as JSON escapes it too."""
    return json.dumps(str(path))[1:-1]


def java_version(shown: str) -> int | None:
    """Read the major version from what `java -version` says: 17 of "17.0.15", 8 of "1.8.0"."""
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found.group(1)) if found else None


def _java() -> str:
    java = program("java", _JAVA_REMEDY)
    version = java_version(run([java, "-version"], timeout_s=20))
    if version is not None and version < OLDEST_JAVA:
        raise ServiceError(f"{java} is Java {version}, too old for Kafka 4; {_JAVA_REMEDY}")
    return java


def _jars() -> Path:
    """Return the folder of Kafka's jars; one folder for each content of the pom."""
    pom = files("tidecast.deploy").joinpath("pom.xml")
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    return kept(f"kafka-{digest}", _fetch_jars, lambda folder: any(folder.glob("kafka_*.jar")))


def _fetch_jars(folder: Path) -> None:
    maven = program("mvn", _MAVEN_REMEDY)
    with as_file(files("tidecast.deploy").joinpath("pom.xml")) as pom:
        options = ["-f", str(pom), f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
        bounds = ["-Dmaven.wagon.http.connectionTimeout=15000"]
        command = [maven, "-q", "-B", "dependency:copy-dependencies", *options, *bounds]
        try:
            run(command, timeout_s=300)
        except ServiceError as problem:
            raise ServiceError(
                f"Maven cannot fetch Kafka's jars; is its repository reachable? {problem}"
            ) from problem


def cluster_id() -> str:
    """Return a new cluster's name: 16 bytes in base64, the first bit 0.

    Else one in 64 would begin with a dash and be taken for an option.
    """
    drawn = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([drawn[0] & 0x7F]) + drawn[1:]).decode().rstrip("=")
