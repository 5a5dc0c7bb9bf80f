"""Up, status and down of the services for development and tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidecast.state.errors import ServiceError
from tidecast.tools.services.clickhouse import prepare_clickhouse
from tidecast.tools.services.docker import DockerStack
from tidecast.tools.services.endpoints import PARTS, Endpoint, Endpoints, Part
from tidecast.tools.services.kafka import prepare_kafka
from tidecast.tools.services.ledger import Ledger, StartedPart, default_folder, locked
from tidecast.tools.services.probe import refusal, wait_until_answers
from tidecast.tools.services.process import Launch, OwnProcess
from tidecast.tools.services.shell import gist

__all__ = ["PartStatus", "Report", "down", "running_services", "status", "up"]

Report = Callable[[str], None]

_NAMED_BY: dict[Part, str] = {
    "kafka": "TIDECAST_KAFKA__BOOTSTRAP",
    "clickhouse": "TIDECAST_CLICKHOUSE__HOST, __PORT, __USER and __PASSWORD",
}


@dataclass(frozen=True)
class PartStatus:
    """One part as it is now.

    `way` is environment, docker or local; `problem` is None when it answers.
    """

    part: Part
    way: str
    endpoint: Endpoint
    problem: str | None


def up(
    parts: Sequence[Part] = PARTS,
    *,
    folder: Path | None = None,
    report: Report = lambda message: None,
) -> Endpoints:
    """Bring the asked parts up, by the first way that works, and wait until they answer.

    The ways: an endpoint named by the environment is used as it is; a part that runs already is
    left running; Docker compose; a local server. Twice is harmless.

    Parameters
    ----------
    folder
        Where settings, data, logs and `state.json` go; None is `default_folder()`.
    report
        Is told each step, one sentence.

    Raises
    ------
    ServiceError
        When no way works: the message says what each of them lacks.
    """
    folder = (folder or default_folder()).resolve()
    with locked(folder):
        ledger = Ledger.read(folder)
        found = {part: _bring_up(part, ledger, folder, report) for part in parts}
    return Endpoints.model_validate(found)


def status(folder: Path | None = None) -> list[PartStatus]:
    """Say for each part that is named by the environment or was started by us how it is now."""
    ledger = Ledger.read(folder or default_folder())
    given = Endpoints.given_by()
    found = []
    for part in PARTS:
        endpoint = given.of(part)
        started = ledger.parts.get(part)
        if endpoint is not None:
            found.append(PartStatus(part, "environment", endpoint, refusal(endpoint)))
        elif started is not None:
            problem = refusal(started.endpoint)
            found.append(PartStatus(part, started.way, started.endpoint, problem))
    return found


def down(folder: Path | None = None, report: Report = lambda message: None) -> list[Part]:
    """Stop what `up` started from this folder, remove its data and name the parts.

    Services named by the environment, and processes that merely have a recorded id, stay.
    """
    folder = (folder or default_folder()).resolve()
    if not folder.is_dir():
        return []
    with locked(folder):
        ledger = Ledger.read(folder)
        stopped = list(ledger.parts)
        for part in stopped:
            report(f"stopping {part}")
            _forget(part, ledger, folder)
        if (folder / "compose.env").exists():
            DockerStack(folder).stop_all()
        (folder / "compose.env").unlink(missing_ok=True)
        (folder / "state.json").unlink(missing_ok=True)
    return stopped


@contextlib.contextmanager
def running_services(
    parts: Sequence[Part] = PARTS,
    *,
    folder: Path | None = None,
    report: Report = lambda message: None,
) -> Iterator[Endpoints]:
    """Have the services up within a `with` block; what was started for it is stopped after it."""
    try:
        yield up(parts, folder=folder, report=report)
    finally:
        down(folder)


def _bring_up(part: Part, ledger: Ledger, folder: Path, report: Report) -> Endpoint:
    given = Endpoints.given_by().of(part)
    if given is not None:
        report(f"{part}: {given}, as the environment says")
        wait_until_answers(given, within_s=10, remedy=_mend_environment(given))
        return given
    started = ledger.parts.get(part)
    if started is not None and _runs(started):
        report(f"{part}: runs already at {started.endpoint}")
        wait_until_answers(started.endpoint, within_s=60, remedy="try `tidecast services down`")
        return started.endpoint
    if started is not None:
        _forget(part, ledger, folder)
    return _start(part, ledger, folder, report)


def _runs(started: StartedPart) -> bool:
    if started.process is None:
        return refusal(started.endpoint) is None
    return started.process.is_alive()


def _mend_environment(given: Endpoint) -> str:
    names = ", ".join(name for name in given.environment())
    return f"the environment names it ({names}): start it there, or unset the variables"


def _start(part: Part, ledger: Ledger, folder: Path, report: Report) -> Endpoint:
    ways = {"Docker": _start_by_docker, "locally": _start_locally}
    lacking = []
    for name, start in ways.items():
        try:
            return start(part, ledger, folder, report)
        except ServiceError as problem:
            lacking.append(f"- {name}: {problem}")
    raise ServiceError(
        f"{part} cannot be started; mend one of these, or name a running one by"
        f" {_NAMED_BY[part]}:\n" + "\n".join(lacking)
    )


def _start_by_docker(part: Part, ledger: Ledger, folder: Path, report: Report) -> Endpoint:
    stack = DockerStack(folder)
    stack.check()
    report(f"{part}: starting its container (the first time its image is fetched)")
    endpoint = stack.endpoint(part)
    with _written_down(part, StartedPart(way="docker", endpoint=endpoint), ledger, folder):
        stack.start(part)
        wait_until_answers(endpoint, within_s=30, remedy="see `docker compose logs`")
    return endpoint


def _start_locally(part: Part, ledger: Ledger, folder: Path, report: Report) -> Endpoint:
    report(f"{part}: preparing a local server (the first time it is fetched)")
    launch = _prepared(part, folder / part)
    report(f"{part}: starting at {launch.endpoint}")
    process = OwnProcess.start(launch)
    entry = StartedPart(way="local", endpoint=launch.endpoint, process=process)
    with _written_down(part, entry, ledger, folder):
        wait_until_answers(
            launch.endpoint,
            within_s=60,
            remedy="the machine may be too busy: try again",
            give_up=lambda: _why_it_ended(part, process, launch),
        )
    return launch.endpoint


def _prepared(part: Part, own: Path) -> Launch:
    """Prepare a part in an empty folder of its own; a failure leaves none."""
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    try:
        return prepare_kafka(own) if part == "kafka" else prepare_clickhouse(own)
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise


@contextlib.contextmanager
def _written_down(part: Part, entry: StartedPart, ledger: Ledger, folder: Path) -> Iterator[None]:
    """Keep a part in the ledger from its first moment; take it out, stopped, if its start fails."""
    ledger.parts[part] = entry
    ledger.write(folder)
    try:
        yield
    except BaseException:
        _forget(part, ledger, folder)
        raise


def _why_it_ended(part: Part, process: OwnProcess, launch: Launch) -> str | None:
    if process.is_alive():
        return None
    said = gist(launch.log.read_text(errors="replace"))
    return f"{part} ended at its start: {said}"


def _forget(part: Part, ledger: Ledger, folder: Path) -> None:
    """Stop a recorded part, remove its data and take it out of the ledger."""
    started = ledger.parts[part]
    if started.way == "docker":
        DockerStack(folder).stop(part)
    elif started.process is not None:
        started.process.stop()
    shutil.rmtree(folder / part, ignore_errors=True)
    del ledger.parts[part]
    ledger.write(folder)
