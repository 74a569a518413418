"""Records a harness under memray and writes one of memray's reports of it.

    python profiling/report.py flamegraph outage       # what was alive at the peak, by call stack
    python profiling/report.py leaks outage            # what was never freed
    python profiling/report.py table embed_job         # the same as a table that can be sorted
    python profiling/report.py stats embed_job         # sizes, counts, the largest allocators
    python profiling/report.py temporary embed_job     # allocated and freed at once
    python profiling/report.py temporal idle           # a flame graph of any span of time
    python profiling/report.py tree outage             # in the terminal, as a tree
    python profiling/report.py leaks trace.bin         # of a file, such as `ingestd profile` makes

Reports and traces go to profiling/results. A harness that was recorded already is not run again
with --reuse. What comes after ``--`` is handed to the harness instead of the usual arguments.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import measure

HERE = Path(__file__).resolve().parent
HARNESSES: dict[str, list[str]] = {
    "outage": ["--way", "outage", "--jobs", "15"],
    "ingestd": ["--way", "ingestd", "--jobs", "15"],
    "embed_job": ["--part", "edits", "--edits", "300", "--name", "embed_job-traced"],
    "parsers": ["--here", "--documents", "300", "--ways", "never", "--name", "parsers-traced"],
    "idle": ["--days", "0.02", "--model", "hash", "--name", "idle-traced"],
}
"""Their arguments for a trace: short runs."""
SCRIPTS = {"ingestd": "outage"}
"""Harnesses that are another one with other arguments."""
REPORTS: dict[str, list[str]] = {
    "flamegraph": ["flamegraph", "--no-web", "--force"],
    "leaks": ["flamegraph", "--no-web", "--force", "--leaks"],
    "temporal": ["flamegraph", "--no-web", "--force", "--temporal"],
    "temporary": ["flamegraph", "--no-web", "--force", "--temporary-allocations"],
    "table": ["table", "--no-web", "--force"],
    "leaks-table": ["table", "--no-web", "--force", "--leaks"],
    "stats": ["stats", "-n", "10"],
    "summary": ["summary", "-r", "20"],
    "tree": ["tree"],
}
IN_TERMINAL = {"stats", "summary", "tree"}
ONE_BY_ONE = {"stats", "temporal", "temporary"}
"""Reports that need each allocation; for the others memray keeps sums, in far smaller traces."""


def record(name: str, trace: Path, arguments: list[str]) -> None:
    """Run a harness that traces its work, not its start.

    Raises:
        SystemExit: it left no trace.
    """
    script = HERE / f"{SCRIPTS.get(name, name)}.py"
    trace.unlink(missing_ok=True)
    # With Python's own allocator memray sees arenas; with the system's, each object.
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(script), *arguments, "--memray", str(trace)]
    status = subprocess.run(command, env=environment, check=False).returncode
    if not trace.exists():
        raise SystemExit(f"{script.name} ended with {status}, and left no trace")
    print(f"recorded: {trace}")


def report(kind: str, trace: Path, output: Path | None) -> int:
    """Write a report, or show it in the terminal; returns memray's exit status."""
    arguments = list(REPORTS[kind])
    if kind not in IN_TERMINAL:
        made = output or trace.with_name(f"{trace.stem}-{kind}.html")
        arguments += ["--output", str(made)]
    status = subprocess.run(
        [sys.executable, "-m", "memray", *arguments, str(trace)], check=False
    ).returncode
    if not status and kind not in IN_TERMINAL:
        print(f"written: {made} ({made.stat().st_size / measure.MIB:.1f} MiB)")
    return status


def main() -> int:
    """Record when need be, and report."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("report", choices=REPORTS, help="which report")
    parser.add_argument("of", help=f"a trace, or a harness: {', '.join(HARNESSES)}")
    parser.add_argument("--reuse", action="store_true", help="the trace that is there already")
    parser.add_argument("--native", action="store_true", help="with the frames of native code")
    parser.add_argument("--results", type=Path, default=measure.RESULTS, help="folder for both")
    parser.add_argument("--output", type=Path, help="the report's file")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    given, rest = parser.parse_args(words[:at]), words[at + 1 :]
    if given.of not in HARNESSES:
        return report(given.report, Path(given.of), given.output)
    given.results.mkdir(parents=True, exist_ok=True)
    each = given.report in ONE_BY_ONE
    trace = (given.results / f"{given.of}{'' if each else '-sums'}.bin").resolve()
    if not (given.reuse and trace.exists()):
        options = ["--each"] * each + ["--native"] * given.native
        record(given.of, trace, [*(rest or HARNESSES[given.of]), *options])
    return report(given.report, trace, given.output)


if __name__ == "__main__":
    sys.exit(main())
