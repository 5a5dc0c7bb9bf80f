"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import click
import pytest

from tidecast.state.errors import ServiceError
from tidecast.tools.lazy import Entry
from tidecast.tools.main import COMMANDS, cli, run


@click.command()
@click.option("--kind")
def failing(kind: str) -> None:
    """Fail as told."""
    if kind == "expected":
        raise ServiceError("the broker is away: start it")
    if kind == "missing":
        Path("/nowhere/at/all").write_text("")
    if kind == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if kind == "refused":
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    if kind == "interrupt":
        raise KeyboardInterrupt
    raise RuntimeError("a mistake of ours")


@pytest.fixture(autouse=True)
def _failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_module_that_fails")
    module.__dict__["failing"] = failing
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "fail", Entry(module.__name__, "failing", "Fail."))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--help"], list(COMMANDS)),
        (["backtest", "--help"], ["--freq", "--horizon", "--peers"]),
    ],
)
def test_help_imports_none_of_the_heavy_modules(words: list[str], told: list[str]) -> None:
    code = (
        "import sys\n"
        "from tidecast.tools.main import run\n"
        f"run({words})\n"
        "heavy = {'numpy', 'polars', 'pydantic', 'kafka', 'faust', 'chdb', 'river', 'rich'}\n"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert all(name in done.stdout for name in told)


PRODUCTS = """
import click
from tidecast.tools.main import cli

cli.get_command(click.Context(cli), "backtest")
import numpy as np

one, other = np.random.default_rng(0).normal(size=(2, 2_000, 40))
print((one.T @ other).tobytes().hex())
"""


def test_sums_of_products_are_the_same_bytes_whatever_number_of_threads_is_asked_for() -> None:
    found = set()
    for threads in ("1", "4"):
        asked = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        program = [sys.executable, "-c", PRODUCTS]
        done = subprocess.run(program, env=asked, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "fail"])
def test_every_command_can_be_loaded_and_explains_itself(name: str) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert command.name == name
    parts = command.list_commands(context) if isinstance(command, click.Group) else []
    for told in (command.help, *(command.get_command(context, part).help for part in parts)):
        assert told
        assert "-----" not in told, "a section for programmers"


def test_an_expected_error_is_one_sentence_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["fail", "--kind", "expected"]) == 4
    assert capsys.readouterr().err == "tidecast: the broker is away: start it\n"


def test_ctrl_c_ends_with_130_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fail", "--kind", "interrupt"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        run(["fail", "--kind", "bug"])


@pytest.mark.parametrize("output", ["print('x' * 100)", "print('x' * 1_000_000)"])
def test_a_reader_that_leaves_early_is_no_error_worth_words(tmp_path: Path, output: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import click\n"
        "from tidecast.tools.main import cli, main\n"
        f"cli.add_command(click.Command('long', callback=lambda: {output}))\n"
        "cli.get_command = lambda context, name: cli.commands[name]\n"
        "main()\n"
    )
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} {program} long | true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""


def test_a_missing_module_is_named_with_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "gone", Entry("tidecast.tools.gone", "gone", ""))
    assert run(["gone"]) == 1
    assert "tidecast gone needs the Python module tidecast.tools.gone" in capsys.readouterr().err


def test_a_missing_settings_file_says_how_to_write_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["--settings", str(tmp_path / "absent.toml"), "topics", "create"]) == 2
    assert "write one with `tidecast init" in capsys.readouterr().err


def test_the_settings_file_can_be_named_by_a_variable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_SETTINGS", str(tmp_path / "from_variable.toml"))
    assert run(["topics", "list"]) == 2
    assert "from_variable.toml" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tidecast {version('tidecast')}\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nosuch"]) == 2
    assert "No such command 'nosuch'" in capsys.readouterr().err


def test_every_command_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`tidecast {name}" not in text and name != "fail"] == []


@pytest.mark.parametrize(
    ("kind", "says"), [("missing", "/nowhere/at/all cannot be"), ("full", "No space left")]
)
def test_a_file_that_cannot_be_written_is_one_sentence(
    kind: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fail", "--kind", kind]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


def test_a_refusal_that_nobody_translated_is_a_mistake_of_ours() -> None:
    with pytest.raises(ConnectionRefusedError):
        run(["fail", "--kind", "refused"])
