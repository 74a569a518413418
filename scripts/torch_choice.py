"""Decides how torch gets into the environment. Pure: no process, no network, no file.

The public package index serves torch for Linux as a GPU build, with several gigabytes of companion
packages. A machine may be set up to find a CPU build instead (a folder of wheels, a mirror, another
platform). So the set-up asks pip what it would take, and decides on its answer.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

from scripts import pins

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU = "cpu"
AS_PIP = "pip"


class Way(enum.Enum):
    """How torch is installed."""

    KEEP = "the one that is there serves"
    FOLDER = "from the folder of wheels"
    PIP = "what pip takes by itself"
    UV = "a build that uv chooses by its backend's name"


def serves(installed: str | None, pin: str, backend: str) -> bool:
    """Tell whether an installed torch can stay.

    Args:
        installed: its version with the build label, such as ``2.13.0+cpu``, or None.
        pin: the version that the constraints name.
        backend: the build that is wanted: ``cpu``, ``pip``, ``auto``, or a label such as ``cu130``.
    """
    if installed is None:
        return False
    version, _, label = installed.partition("+")
    if version != pin:
        return False
    return backend in (CPU, AS_PIP, label) or (backend == "auto" and label != CPU)


def gpu_requirements(report: Mapping[str, Any]) -> list[str]:
    """Names of the GPU packages in pip's answer: those to install, and those torch asks for.

    Args:
        report: what ``pip install --dry-run --report`` wrote, with or without dependencies.
    """
    names: set[str] = set()
    for entry in report["install"]:
        metadata = entry["metadata"]
        names.add(metadata["name"])
        for requirement in metadata.get("requires_dist", ()):
            if "extra ==" not in requirement:
                names.update(re.findall(r"^[\w.-]+", requirement))
    return sorted(pins.canonical(name) for name in names if pins.is_gpu_package(name))


def choose(
    *,
    installed: str | None,
    pin: str,
    backend: str,
    from_folder: bool,
    report: Mapping[str, Any] | None,
) -> Way:
    """Choose the way to install torch.

    Args:
        installed: the version that the environment has, or None.
        pin: the version that the constraints name.
        backend: the build that is wanted.
        from_folder: whether everything comes from a folder of wheels.
        report: pip's answer to what it would take, or None where it was not asked or has none.
    """
    if serves(installed, pin, backend):
        return Way.KEEP
    if from_folder:
        return Way.FOLDER
    if backend == AS_PIP:
        return Way.PIP
    if backend == CPU and report is not None and not gpu_requirements(report):
        return Way.PIP
    return Way.UV
