"""Commands of ``tidecast deep``, run in this process."""

from __future__ import annotations

from click.testing import CliRunner

from tidecast.tools.main import cli


def invoke(*words: object) -> str:
    """Return what a command prints; what it raises is raised."""
    done = CliRunner().invoke(cli, ["deep", *map(str, words)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output
