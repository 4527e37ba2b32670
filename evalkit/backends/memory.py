"""What a model in this process takes: memory that is given back, and threads that it may keep busy."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

from evalkit.core.workers import cores


def release() -> None:
    """Give memory that nobody uses any more back to the device and to the system."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def honest_threads() -> int:
    """How many threads this process can keep busy: ``OMP_NUM_THREADS`` if set, else the processors that it may use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        allowed = max(int(int(quota) / int(period)), 1)
    except (OSError, ValueError):  # no such limit
        allowed = cores()
    return min(cores(), allowed)
