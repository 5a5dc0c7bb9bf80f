"""The Python of docs/models.md does what the comments beside it say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from slabs import settings_with

from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
LINE = re.compile(r"(?P<value>forecaster\S*|forecast\.\S+)  # (?:.*-> )?(?P<axes>\(series.*\))")


def test_a_forecaster_is_made_and_stepped_as_is_written() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    cells = [Cell(region, category) for region in ("north", "south") for category in ("x", "y")]
    settings = settings_with(forecast={"horizon": 3, "season_lengths": [4]})
    slab = Slab(100, np.ones((len(cells), len(settings.series))))
    names: dict[str, Any] = {"settings": settings, "slab": slab, "cells": cells, "positions": {}}
    exec(compile(code, str(PAGE), "exec"), names)
    sizes = {
        "series": len(settings.series),
        "cell": len(cells),
        "node": 5,
        "lead": 3,
        "level": len(settings.forecast.quantile_levels),
    }
    told = list(LINE.finditer(code))
    assert len(told) == 4
    for line in told:
        found = eval(line["value"], names)
        axes = re.findall(r"\w+", line["axes"])
        for array in found.values() if isinstance(found, dict) else [found]:
            assert array.shape == tuple(sizes[axis] for axis in axes), line[0]
    assert Cell("north", "(all)") in names["forecast"].totals.nodes
