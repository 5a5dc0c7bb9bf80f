"""Where networks run: on a GPU where there is one, else on the processor."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

__all__ = ["autocast", "describe_device", "pick_device"]


def pick_device() -> torch.device:
    """Return the first GPU, or the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device() -> str:
    """Return in words where networks run here."""
    if pick_device().type == "cpu":
        return f"torch {torch.__version__} on the processor, {torch.get_num_threads()} threads"
    found = torch.cuda.get_device_properties(0)
    return f"torch {torch.__version__} on {found.name}, {found.total_memory / (1 << 30):.0f} GiB"


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrices are multiplied in bfloat16 where that pays: on a GPU."""
    pays = device.type == "cuda" and torch.cuda.is_bf16_supported()
    context: AbstractContextManager[object] = torch.autocast(
        device.type, torch.bfloat16, enabled=pays
    )
    return context
