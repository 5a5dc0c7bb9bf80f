"""``tidecast doctor``: say what is right, what is wrong, and how to mend it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import click
import orjson

from tidecast.state.errors import ServiceError, SettingsError
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.doctor.findings import Finding, Level, fail, ok
from tidecast.tools.doctor.visit import visit

__all__ = ["doctor"]

COLOURS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a finding.")
@pass_settings_file
def doctor(settings_file: SettingsFile, as_json: bool) -> None:
    """Look at all that a live run needs: settings, broker, topics, rights, ClickHouse, room.

    Each line says ok, warn or fail, what was found and what mends it. Nothing is changed.
    Exit code 0 when nothing failed, 2 for wrong settings, else 4.
    """
    levels: Counter[Level] = Counter()
    code = ServiceError.exit_code
    for finding in _findings(settings_file):
        levels[finding.level] += 1
        if finding.level == "fail" and finding.subject == "settings":
            code = SettingsError.exit_code
        click.echo(orjson.dumps(asdict(finding)) if as_json else line(finding))
        sys.stdout.flush()  # some checks take seconds
    click.echo(f"{levels['fail']} failed, {levels['warn']} warned, {levels['ok']} ok", err=True)
    if levels["fail"]:
        click.get_current_context().exit(code)


def line(finding: Finding) -> str:
    """Return a finding as one line, with colours that a pipe does not get."""
    level = click.style(f"{finding.level:4}", fg=COLOURS[finding.level], bold=True)
    found = " ".join(finding.found.split())
    remedy = f" -> {' '.join(finding.remedy.split())}" if finding.remedy else ""
    return f"{level}  {finding.subject}: {found}{remedy}"


def _findings(settings_file: SettingsFile) -> Iterator[Finding]:
    try:
        settings = settings_file.load()
    except SettingsError as error:
        yield fail("settings", str(error))
        return
    yield ok("settings", f"{settings_file.path}, fingerprint {settings.fingerprint()}")
    yield from visit(settings)
