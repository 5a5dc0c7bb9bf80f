"""What ``tidecast verify`` is to be given."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tidecast.tools.main import cli


@pytest.mark.parametrize("options", [["--partitions", "4"], ["--key", "region"]])
def test_what_deals_out_logs_is_refused_for_topics(options: list[str]) -> None:
    result = CliRunner().invoke(cli, ["verify", "--kafka", *options])
    assert result.exit_code == 2
    assert "deal out LOGs only" in result.output


@pytest.mark.parametrize("arguments", [[], ["--kafka", "clicks.ndjson"]])
def test_either_logs_or_topics_are_recounted(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["verify", *arguments])
    assert result.exit_code == 2
    assert "give the LOGs that were replayed, or --kafka" in result.output
