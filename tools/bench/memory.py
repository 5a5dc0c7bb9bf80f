"""The peak memory of this process, and of no other."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

__all__ = ["peak_mib"]

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """Return the most resident memory this process has had, in MiB.

    Linux's ``ru_maxrss`` begins with what the parent had when it started the process, so the
    kernel's own mark of this program is read where there is one.
    """
    if STATUS.exists() and (mark := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(mark[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
