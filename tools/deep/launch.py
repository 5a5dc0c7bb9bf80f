"""Several processes that train one network, as torch's launcher ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed

from tidecast.models.deep.processes import ALONE, Processes

__all__ = ["joined"]


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that were launched with this one, each with a GPU of its own if any."""
    if not torch.distributed.is_torchelastic_launched():
        yield ALONE
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
