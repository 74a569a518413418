"""The processors that a model may use, and what they are."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from ingestd.memory import cgroup

_BF16 = {"avx512_bf16", "amx_bf16"}
_TELLING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features")


def usable_cores() -> int:
    """Cores that this process may run on, within the processor time that its group is allowed."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    allowed = cgroup.processors()
    if allowed is not None:
        cores = min(cores, int(allowed + 0.5))
    return max(1, cores)


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor computes in bfloat16 by itself: else it would only be emulated."""
    return bool(_BF16 & set(_described(cpuinfo).get("flags", "").split()))


def identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A digest of what the processor is; equal ones are as fast in the same things."""
    described = _described(cpuinfo) or {"": platform.processor() or platform.machine()}
    lines = "".join(f"{key}={described[key]}\n" for key in sorted(described))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _described(cpuinfo: Path) -> dict[str, str]:
    """What the kernel says of the first processor."""
    found: dict[str, str] = {}
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError:
        return found
    for line in text.partition("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        if key.strip() in _TELLING:
            found[key.strip()] = value.strip()
    return found
