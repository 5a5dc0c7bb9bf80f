"""The ``tidecast`` command: one group whose commands are imported only when they run."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from tidecast.state.errors import TidecastError
from tidecast.tools.context import SettingsFile, keep_command_line
from tidecast.tools.lazy import Entry, LazyGroup

__all__ = ["COMMANDS", "cli", "main", "run"]

INTERRUPTED = 130  # what shells report for a process that Ctrl-C ended
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # such errors name no file


COMMANDS = {
    "init": Entry("tidecast.tools.init", "init", "Write a commented example of the settings."),
    "demo": Entry("tidecast.tools.demo", "demo", "Simulate a shop, forecast it, show the result."),
    "simulate": Entry("tidecast.tools.simulate.command", "command", "Write a shop's event logs."),
    "replay": Entry("tidecast.tools.replay", "replay", "Forecast recorded logs without a broker."),
    "backtest": Entry(
        "tidecast.tools.backtest.command", "command", "Tell what forecasts would be worth."
    ),
    "deep": Entry("tidecast.tools.deep", "deep", "Train deep networks, and judge them."),
    "explain": Entry(
        "tidecast.tools.explain.command", "command", "Tell what a forecast is made of."
    ),
    "verify": Entry(
        "tidecast.tools.verify", "verify", "Recount a log, and print every cell that differs."
    ),
    "late": Entry("tidecast.tools.late", "late", "Fold what came too late into the store."),
    "feed": Entry("tidecast.tools.feed", "feed", "Play recorded logs into Kafka."),
    "record": Entry("tidecast.tools.record", "record", "Keep a live run, to repeat it."),
    "tail": Entry("tidecast.tools.tail", "tail", "Print predictions as they are published."),
    "query": Entry("tidecast.tools.query", "query", "Ask the store a question in SQL."),
    "topics": Entry("tidecast.tools.topics", "topics", "Create and list the Kafka topics."),
    "worker": Entry("tidecast.tools.worker", "worker", "Run the live workers."),
    "migrate": Entry(
        "tidecast.tools.migrate", "migrate", "Carry what was learnt over to other settings."
    ),
    "doctor": Entry(
        "tidecast.tools.doctor.command", "doctor", "Look at all that a live run needs."
    ),
    "schemas": Entry("tidecast.tools.schemas", "schemas", "Export the wire contracts."),
    "services": Entry(
        "tidecast.tools.services.command", "services", "Start and stop Kafka and ClickHouse."
    ),
    "bench": Entry("tidecast.tools.bench", "bench", "Measure speed, beside other systems."),
}
"""Every command of the program, in the order of ``--help``."""


class Program(LazyGroup):
    """All commands; what they share is done once, for whichever is run."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command.

        NumPy has one thread then: the last digits of sums of products depend on how many made
        them, and what was forecast live is repeated to the byte, whatever else runs there.

        Raises
        ------
        click.ClickException
            When a Python module it needs is not installed.
        """
        if cmd_name in COMMANDS and cmd_name != "deep":  # networks are trained by threads of torch
            os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported
        try:
            return super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"tidecast {cmd_name} needs the Python module {error.name}, which is not "
                "installed: install tidecast with the extra that carries it (see docs/cli.md)"
            ) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the command line as it was given."""
        keep_command_line(ctx, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and flush here, where click still minds a reader that left early."""
        result = super().invoke(ctx)
        sys.stdout.flush()
        return result


@click.group(
    cls=Program, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=Path("tidecast.toml"),
    envvar="TIDECAST_SETTINGS",
    show_default=True,
    show_envvar=True,
    help="The settings file (TOML).",
)
@click.option("-v", "--verbose", count=True, help="Log more: -v progress, -vv everything.")
@click.version_option(package_name="tidecast", message="tidecast %(version)s")
@click.pass_context
def cli(ctx: click.Context, path: Path, verbose: int) -> None:
    """Forecast an online shop's near future, live, from its stream of events."""
    set_up_logging(verbose)
    ctx.obj = SettingsFile(path)


def set_up_logging(verbose: int) -> None:
    """Log to stderr: warnings by default; client libraries only speak when asked twice."""
    logging.basicConfig(
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)],
    )
    for library in ("kafka", "aiokafka", "clickhouse_driver"):
        # What they log as errors we raise as one sentence; their lines would only bury it.
        logging.getLogger(library).setLevel(logging.DEBUG if verbose > 1 else logging.CRITICAL)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code; expected errors become one sentence."""
    try:
        code = cli.main(arguments, prog_name="tidecast", standalone_mode=False)
    except TidecastError as error:
        click.echo(f"tidecast: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # Ctrl-C
        return INTERRUPTED
    except OSError as error:
        if error.filename is None and error.errno not in NO_ROOM:
            raise  # of no file: a mistake of ours
        what = "a file" if error.filename is None else error.filename
        remedy = "see that it is there, is yours to write, and that its disk has room"
        click.echo(
            f"tidecast: {what} cannot be read or written ({error.strerror}): {remedy}", err=True
        )
        return 1
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    sys.exit(run())


if __name__ == "__main__":
    main()
