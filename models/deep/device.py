"""Where networks run: on a GPU where there is one, else on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

__all__ = ["autocast", "describe_device", "pick_device", "seeded"]


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


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from ``seed`` on the processor and ``device``, and leave the numbers of others alone.

    `torch.manual_seed` would speak to every kind of device, and note the stack for those that have
    not begun.
    """
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield
