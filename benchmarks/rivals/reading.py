"""What reads documents, as the benchmark of formats asks for it: a line of JSON a document.

An adapter is given lists of files on standard input, a JSON line each. For each it prints the text
it found, the seconds it took, and what went wrong; at the end, its memory at the peak. The first
list is read once before, unmeasured: the libraries of a format are loaded with its first document.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KIB = 1024
_PEAK = re.compile(r"^VmHWM:\s+(\d+)", re.MULTILINE)


def own_cpu_s() -> float:
    """Processor time of this process and of those that it started, once they have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def act(
    read: Callable[[Path], str],
    *,
    cpu_s: Callable[[], float] = own_cpu_s,
    peak: Callable[[], int] | None = None,
) -> None:
    """Answer standard input.

    Args:
        read: the text of a file.
        cpu_s: processor time up to now of what reads.
        peak: bytes that it had resident at most; None asks for those of this process.
    """
    jobs: list[list[str]] = [json.loads(line) for line in sys.stdin]
    for number, files in enumerate([*jobs[:1], *jobs]):
        used, started = cpu_s(), time.perf_counter()
        text, errors = _all(read, files)
        answer = {
            "text": text,
            "errors": errors,
            "wall_s": time.perf_counter() - started,
            "cpu_s": cpu_s() - used,
        }
        if number:
            _print(answer)
    _print({"peak_bytes": (peak or own_peak)()})


def _all(read: Callable[[Path], str], files: Sequence[str]) -> tuple[str, list[str]]:
    texts, errors = [], []
    for file in files:
        try:
            texts.append(read(Path(file)))
        except Exception as error:  # noqa: BLE001 - whatever a reader raises is its result
            errors.append(f"{Path(file).name}: {type(error).__name__}: {error}"[:300])
    return "\n".join(texts), errors


def own_peak() -> int:
    """Bytes that this process had resident at most."""
    found = _PEAK.search(Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) * KIB if found else 0


def _print(answer: dict[str, object]) -> None:
    # On the real output: readers print what they like to the one they see.
    sys.__stdout__.write(json.dumps(answer) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]
