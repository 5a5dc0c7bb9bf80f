"""Where networks run: on a GPU where there is one, else on the processor."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

__all__ = ["autocast", "pick_device"]


def pick_device() -> torch.device:
    """Return the first GPU, or the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which matrices are multiplied in bfloat16 where that pays: on a GPU."""
    pays = device.type == "cuda" and torch.cuda.is_bf16_supported()
    context: AbstractContextManager[object] = torch.autocast(
        device.type, torch.bfloat16, enabled=pays
    )
    return context
