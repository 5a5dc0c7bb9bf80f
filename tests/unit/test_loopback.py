"""What listens does so on this machine only, unless the settings say otherwise."""

from __future__ import annotations

import re
from pathlib import Path

from tidecast.state.settings import MetricsSettings
from tidecast.tools.services.clickhouse import _config
from tidecast.tools.services.kafka import server_properties


def test_metrics_and_health_are_shown_to_this_machine_only_by_default() -> None:
    assert MetricsSettings().host == "127.0.0.1"


def test_the_services_listen_on_this_machine_only() -> None:
    text = server_properties(Path("/data"), 1, 2)
    for key in ("listeners", "advertised.listeners"):
        found = re.search(rf"^{re.escape(key)}=(.*)$", text, re.MULTILINE)
        assert found is not None
        assert all("://127.0.0.1:" in part for part in found[1].split(","))
    assert re.findall("<listen_host>(.*?)</listen_host>", _config(Path("/data"), 1)) == [
        "127.0.0.1"
    ]
