"""What all harnesses share: the header of a result, its file, its table; sampling and charts.

A harness is a plain script in this folder, run as ``python profiling/NAME.py``, that does

    import measure

    parser = measure.parser(__doc__)
    parser.add_argument("--edits", type=int, default=20_000, help="...")
    given = parser.parse_args()
    ...
    measure.write(given, {"edits": given.edits, "slope": found.as_json(), "samples": [...]})

and thereby writes ``profiling/results/NAME.json`` (``NAME-quick.json`` with ``--quick``, so that a
short run never takes the place of a published one).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _draw import COLOURS, INK, Line, Panel, chart
from _looks import KIB, MIB, Look, Sample, Sampler, children, cpu_seconds, look, reset_peak, rss
from _trend import METHOD, Slope, slope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "COLOURS",
    "INK",
    "KIB",
    "METHOD",
    "MIB",
    "RESULTS",
    "Line",
    "Look",
    "Panel",
    "Sample",
    "Sampler",
    "Slope",
    "chart",
    "children",
    "cpu_seconds",
    "draw_chart",
    "header",
    "headline",
    "look",
    "mib",
    "parser",
    "reset_peak",
    "rss",
    "slope",
    "table",
    "traced",
    "write",
]

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PACKAGES = (
    "ingestd",
    "chromadb",
    "memray",
    "numpy",
    "onnxruntime",
    "sentence-transformers",
    "sqlalchemy",
    "tokenizers",
    "torch",
    "watchdog",
)
_STARTED = time.monotonic()


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options of every harness: ``--quick``, ``--name``, ``--results``, ``--seed``."""
    text = doc or ""
    first, _, rest = text.partition("\n\n")
    made = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="a short run, for trying it out")
    made.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    made.add_argument(
        "--name", default=Path(sys.argv[0]).stem, help="of the result file (%(default)s)"
    )
    made.add_argument("--results", type=Path, default=RESULTS, help="folder for results")
    made.add_argument("--memray", type=Path, help="trace the work, after a warm-up, to this file")
    made.add_argument("--native", action="store_true", help="trace native frames, too")
    made.add_argument("--each", action="store_true", help="trace each allocation, not sums")
    return made


def traced(given: argparse.Namespace) -> contextlib.AbstractContextManager[object]:
    """Has memray trace what is done within, when ``--memray`` asks for it.

    To be entered by a plain ``with`` around the work: memray loses the callers of what is called
    where a trace begins deeper in the stack than the work.
    """
    if given.memray is None:
        return contextlib.nullcontext()
    import memray  # noqa: PLC0415 - heavy, and seldom wanted

    formats = memray.FileFormat
    tracker: contextlib.AbstractContextManager[object] = memray.Tracker(
        destination=memray.FileDestination(given.memray, overwrite=True),
        native_traces=given.native,
        file_format=formats.ALL_ALLOCATIONS if given.each else formats.AGGREGATED_ALLOCATIONS,
    )
    return tracker


def write(given: argparse.Namespace, figures: Mapping[str, Any]) -> Path:
    """Write the result file: the header, and the figures of this run; returns the file."""
    given.results.mkdir(parents=True, exist_ok=True)
    file: Path = given.results / f"{result_name(given)}.json"
    values = {"about": header(given), **figures}
    text = json.dumps(values, indent=1, ensure_ascii=False)
    file.write_text(_flat_lists(text) + "\n", encoding="utf-8")
    print(f"\n{headline(values['about'])}\nwritten: {_near(file)}")
    return file


def draw_chart(
    given: argparse.Namespace, panels: Sequence[Panel], *, title: str = "", suffix: str = ""
) -> Path | None:
    """Draw the chart of a result beside it; None, and a word, without matplotlib."""
    given.results.mkdir(parents=True, exist_ok=True)
    file: Path = given.results / f"{result_name(given)}{suffix}.svg"
    if not chart(file, panels, title=title):
        print("no chart: matplotlib is not installed (the extra `profile`)")
        return None
    print(f"drawn: {_near(file)}")
    return file


def result_name(given: argparse.Namespace) -> str:
    """Name of this run's files, without ending."""
    return f"{given.name}-quick" if given.quick else str(given.name)


def header(given: argparse.Namespace | None = None) -> dict[str, Any]:
    """Where, when and with what: a figure without these means nothing."""
    about: dict[str, Any] = {
        "harness": Path(sys.argv[0]).stem,
        "command": shlex.join(["python", f"profiling/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - _STARTED, 1),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": f"{platform.system()} {platform.release().partition('-')[0]}",
            "load": [round(load, 1) for load in os.getloadavg()],
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }
    if given is not None:
        about["seed"] = given.seed
    return about


def headline(about: Mapping[str, Any]) -> str:
    """The header in one line."""
    machine, versions = about["machine"], about["versions"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {versions['python']}, chromadb {versions['chromadb']}; "
        f"commit {about['commit']}, {about['date'][:10]}, {about['seconds']:.0f} s"
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table with columns in line; all but the first column to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(3, len(heading), *(len(row[at]) for row in cells), 0)
        for at, heading in enumerate(headings)
    ]
    lines = [list(headings), *cells]
    text = [_line(line, widths) for line in lines]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([text[0], f"| {' | '.join(rule)} |", *text[1:]])


def mib(size: float) -> str:
    """Bytes as MiB, to one digit below 100."""
    value = size / MIB
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"  # noqa: PLR2004 - digits


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([first, *others])} |"


def _commit() -> str:
    """The commit of the checkout, with a plus where files of it were changed."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607 - the user's
            capture_output=True,
            text=True,
            check=False,
            cwd=HERE,
        )
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
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


def _near(file: Path) -> str:
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _flat_lists(text: str) -> str:
    """Lists of numbers on one line each, so that a result can be read and compared."""
    out: list[str] = []
    held: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.endswith("["):
            out += held
            held = [line]
        elif held and stripped.rstrip(",") == "]":
            out.append(held[0] + " ".join(part.strip() for part in held[1:]) + stripped)
            held = []
        elif held and (stripped[:1].isdigit() or stripped[:1] == "-"):
            held.append(line)
        else:
            out += [*held, line]
            held = []
    return "\n".join([*out, *held])
