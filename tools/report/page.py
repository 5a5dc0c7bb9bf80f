"""The page: one HTML file that needs nothing else, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Picture", "Section", "Table", "render"]


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the rows, the others are figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An inline SVG and what to see in it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with its pictures, and a table below them."""

    heading: str
    pictures: Sequence[Picture]
    table: Table | None = None


def render(
    title: str,
    lead: str,
    facts: Mapping[str, str],
    table: Table,
    sections: Sequence[Section],
    origin: Mapping[str, str] | None = None,
) -> str:
    """Return the whole document; every text is escaped, the SVGs are taken as they are.

    ``origin`` tells at the end how the page came about.
    """
    body = "\n".join(map(_section, sections))
    return PAGE.format(
        title=escape(title),
        lead=escape(lead),
        facts=_facts(facts),
        table=_table(table),
        sections=body,
        origin=_origin(origin or {}),
        style=STYLE,
    )


def _facts(facts: Mapping[str, str]) -> str:
    """Write the facts as tiles, and the indented ones, which are details, in one line below."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
        if not name.startswith(" ")
    )
    details = " · ".join(
        f"{escape(name.strip().replace('_', ' '))}&nbsp;{escape(value)}"
        for name, value in facts.items()
        if name.startswith(" ")
    )
    tiles = f'<dl class="facts">{items}</dl>' if items else ""
    return tiles + (f'<p class="details">Refused: {details}</p>' if details else "")


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(value)}</td>" for value in others)
        + "</tr>"
        for first, *others in table.rows
    )
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="tablebox">{whole}</div>'


def _origin(origin: Mapping[str, str]) -> str:
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in origin.items()
    )
    return f'<footer><dl class="origin">{lines}</dl></footer>' if origin else ""


def _section(section: Section) -> str:
    figures = "".join(
        f'<figure><div class="scroll">{picture.svg}</div>'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in section.pictures
    )
    table = _table(section.table) if section.table else ""
    return f"<section><h2>{escape(section.heading)}</h2>{figures}{table}</section>"


STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --muted: #5d6875; --grid: #dde2e8;
  --tide: #0b6e8f; --warm: #c2571a; --paper: #fdfdfc; --panel: #f4f5f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --muted: #98a4b1; --grid: #2d353f;
  --tide: #4fb3d1; --warm: #e58b52; --paper: #14181d; --panel: #1c2229; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 67rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; letter-spacing: -0.005em; margin: 3.2rem 0 .8rem; }
.lead { color: var(--muted); margin: 0 0 1.8rem; max-width: 46rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem;
  margin: 0 0 1.6rem; }
.details { color: var(--muted); font-size: .85rem; margin: -.6rem 0 1.6rem; }
.facts div { background: var(--panel); border-radius: 6px; padding: .6rem .85rem; }
.facts dt { color: var(--muted); font-size: .8rem; }
.facts dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .93rem; }
th, td { padding: .42rem .7rem; text-align: right; border-bottom: 1px solid var(--grid);
  font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--muted); font-size: .82rem; border-bottom-color: var(--muted); }
tbody th { font-weight: 600; }
figure { margin: 0 0 2rem; }
figure svg { display: block; width: 100%; height: auto; font-family: inherit; }
figure svg text { font-family: inherit !important; }
figcaption { color: var(--muted); font-size: .9rem; max-width: 46rem; margin-top: .5rem; }
.scroll { overflow-x: auto; }
footer { margin-top: 3.2rem; border-top: 1px solid var(--grid); }
.origin { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem;
  color: var(--muted); font-size: .85rem; }
.origin dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
@media (max-width: 46rem) { figure svg { min-width: 42rem; } .tablebox { overflow-x: auto; } }
@media print { main { max-width: none; padding: 0; } figure { break-inside: avoid; } }
"""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="lead">{lead}</p>
</header>
{facts}
{table}
{sections}
{origin}
</main>
</body>
</html>
"""
