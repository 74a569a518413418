"""Says what a benchmark ran on: a figure without its machine means nothing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

OURS = (
    "ingestd",
    "chromadb",
    "sqlalchemy",
    "watchdog",
    "onnxruntime",
    "sentence-transformers",
    "torch",
    "openvino",
)
LISTED = """
import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def describe() -> dict[str, Any]:
    """Processor, memory, system and versions, without host name or date."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "packages": _own_versions(),
    }


def versions(interpreter: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages in the environment of another interpreter."""
    answer = subprocess.run(
        [str(interpreter), "-c", LISTED, *packages], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def headline(machine: dict[str, Any]) -> str:
    """The description in one line."""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}, load {machine['load']} at the start"
    )


def _own_versions() -> dict[str, str]:
    found = {}
    for name in OURS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
