"""One ClickHouse server: from the PATH, else Debian's package; no root."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from pathlib import Path
from xml.sax.saxutils import escape

from tidecast.tools.services.debian import debian_server
from tidecast.tools.services.endpoints import ClickHouseEndpoint
from tidecast.tools.services.ports import LOOPBACK, free_ports
from tidecast.tools.services.process import Launch

__all__ = ["prepare_clickhouse"]

_USER = "tidecast"


def prepare_clickhouse(folder: Path) -> Launch:
    """Find a server, write its settings into `folder` and return how to start it.

    Raises
    ------
    ServiceError
        When there is no server on the PATH and Debian's cannot be fetched.
    """
    command, environment = _server()
    (port,) = free_ports(1)
    password = secrets.token_urlsafe(18)
    config = folder / "config.xml"
    config.write_text(_config(folder / "data", port))
    users = folder / "users.xml"
    users.touch(mode=0o600)
    users.write_text(_users(password))
    return Launch(
        argv=[*command, f"--config-file={config}"],
        environment=environment,
        log=folder / "clickhouse.log",
        endpoint=ClickHouseEndpoint(host=LOOPBACK, port=port, user=_USER, password=password),
    )


def _server() -> tuple[list[str], dict[str, str]]:
    """Return the command of a server and what it needs in its environment."""
    if (server := shutil.which("clickhouse-server")) is not None:
        return [server], {}
    if (several := shutil.which("clickhouse")) is not None:
        return [several, "server"], {}
    found = debian_server()
    return [str(found.server)], {"LD_LIBRARY_PATH": found.library_path}


def _config(data: Path, port: int) -> str:
    """Write config.xml; servers up to 21 know no other root element than `yandex`."""
    home = escape(str(data))
    return f"""\
<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>{LOOPBACK}</listen_host>
  <tcp_port>{port}</tcp_port>
  <path>{home}/</path>
  <tmp_path>{home}/tmp/</tmp_path>
  <user_files_path>{home}/user_files/</user_files_path>
  <format_schema_path>{home}/format_schemas/</format_schema_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>268435456</mark_cache_size>
</yandex>
"""


def _users(password: str) -> str:
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"""\
<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>4000000000</max_memory_usage></default></profiles>
  <quotas><default></default></quotas>
  <users>
    <{_USER}>
      <password_sha256_hex>{digest}</password_sha256_hex>
      <networks><ip>{LOOPBACK}</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </{_USER}>
  </users>
</yandex>
"""
