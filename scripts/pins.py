"""Reads ``constraints.txt``: the one place where versions are pinned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GPU_PREFIXES = ("nvidia-", "cuda-", "triton", "pytorch-triton")


def canonical(name: str) -> str:
    """Spell a distribution's name the one way that compares equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_gpu_package(name: str) -> bool:
    """Tell whether a distribution only serves torch on a GPU."""
    return canonical(name).startswith(GPU_PREFIXES)


def parse(lines: Iterable[str]) -> dict[str, str]:
    """Read ``name==version`` lines; comments and blank lines are skipped."""
    pins: dict[str, str] = {}
    for line in lines:
        text = line.split("#", 1)[0].strip()
        if text:
            name, _, version = text.partition("==")
            pins[canonical(name)] = version
    return pins


def read(path: Path) -> dict[str, str]:
    """Read a constraints file: version by canonical name."""
    return parse(path.read_text(encoding="utf-8").splitlines())
