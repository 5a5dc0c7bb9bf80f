"""Take pictures of a report, to stand alone: ``pictures.py REPORT.html PREFIX LABEL=NAME...``.

LABEL is what a picture is called in the report ("Forecasts of demand against actuals"); it is
written, in the light colours of the page, to PREFIX-NAME.svg beside this file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

HEAD = (
    '<svg {box} xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="{width}" font-family="sans-serif" role="img" aria-label="{label}">\n'
    '<rect width="100%" height="100%" fill="{paper}"/>'
)
SCALE = 1.2  # of drawing units, in pixels
NUMBER = re.compile(r"\d+\.\d{2,}")


def picture(page: str, label: str) -> str:
    """Return a picture of a report as a file of its own."""
    found = re.search(rf'<svg ([^>]*aria-label="{re.escape(label)}")>(.*?</svg>)', page, re.DOTALL)
    if found is None:
        raise SystemExit(f"no picture {label!r}: there are {re.findall(LABELS, page)}")
    box = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', found[1])
    assert box is not None
    colours = dict(re.findall(r"--(\w+): (#\w+);", page[: page.index("}", page.index(":root"))]))
    body = re.sub(r"var\(--(\w+)\)", lambda name: colours[name[1]], found[2])
    body = re.sub(r"<[^>]*>", lambda tag: NUMBER.sub(rounded, tag[0]), body)
    width = round(SCALE * float(box[1]))
    return HEAD.format(box=box[0], width=width, label=label, paper=colours["paper"]) + body


def rounded(number: re.Match[str]) -> str:
    """Return a number of a drawing as short as can be seen."""
    return f"{float(number[0]):.1f}"


LABELS = r'role="img" aria-label="([^"]*)"'


def main(report: Path, prefix: str, wanted: Sequence[str]) -> None:
    """Write the pictures that are wanted."""
    page = report.read_text(encoding="utf-8")
    for each in wanted:
        label, name = each.rsplit("=", 1)
        file = Path(__file__).with_name(f"{prefix}-{name}.svg")
        file.write_text(picture(page, label) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
