"""What this machine has for running a model, looked at without loading anything."""

from __future__ import annotations

import importlib.util
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.embed.engines.choice import Here
from ingestd.embed.engines.cores import has_bf16

if TYPE_CHECKING:
    from ingestd.embed.model import ModelSpec

# What a driver shows, and the library of torch that can use it.
_ACCELERATORS = (("/dev/nvidiactl", "libtorch_cuda.so"), ("/dev/kfd", "libtorch_hip.so"))


def look(spec: ModelSpec) -> Here:
    """What there is for a model."""
    from ingestd.embed.engines.export import unsupported  # noqa: PLC0415  # brings numpy

    return Here(
        accelerator=accelerator(),
        openvino=importlib.util.find_spec("openvino") is not None,
        bf16=has_bf16(),
        no_export=unsupported(spec),
    )


def accelerator() -> str | None:
    """The GPU that the installed torch seems able to use: ``cuda`` (AMD's, too) or ``mps``."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    libraries = Path(found.origin).parent / "lib"
    there = any(
        Path(device).exists() and (libraries / library).exists()
        for device, library in _ACCELERATORS
    )
    return "cuda" if there else None
