"""``tidecast schemas``: export the wire contracts, or check that an export is current."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from tidecast.state.errors import ContractError
from tidecast.streams.schemas.export import exported_files

__all__ = ["schemas"]


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs"),
    show_default=True,
    help="Folder for asyncapi.json and schemas/*.json.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the files are not current.")
def schemas(output: Path, check: bool) -> None:
    """Export a JSON Schema for each record and one AsyncAPI document."""
    files = exported_files()
    if check:
        if stale := stale_files(output, files):
            raise ContractError(
                f"not current below {output}: {', '.join(stale)}; "
                f"run `tidecast schemas --output {output}`"
            )
        click.echo(f"{len(files)} files below {output} are current")
        return
    for path, text in files.items():
        target = output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    click.echo(f"wrote {len(files)} files below {output}")


def stale_files(output: Path, files: Mapping[Path, str]) -> list[str]:
    """Return the files below ``output`` that are missing, different or of no contract."""
    stale = [
        str(path)
        for path, text in files.items()
        if not (output / path).is_file() or (output / path).read_text(encoding="utf-8") != text
    ]
    present = {path.relative_to(output) for path in (output / "schemas").glob("*.json")}
    return sorted([*stale, *map(str, present - files.keys())])
