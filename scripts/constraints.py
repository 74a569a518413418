"""Writes ``constraints.txt``: every package that the two commands install, with its version.

``make constraints`` runs it. It asks pip what it would install for each Python interpreter given,
in turn, and lets each answer bind the next one, so that one file serves all of them. Packages that
only a GPU build of torch needs are left out: pip may add them freely where such a build is wanted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import pins

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "constraints.txt"
TOOLS = ("pip", "uv", "hatchling", "editables")
HEADER = """\
# Every package that `make run`, `make test` and extras install; Python 3.11 to 3.13 on Linux.
# Written by `make constraints`; add UPGRADE=1 to take the newest versions. Do not edit by hand.
# torch stands without a build label: the CPU build 2.x.y+cpu satisfies it as well.
"""


def resolve(python: str, bounds: dict[str, str], work: Path) -> dict[str, str]:
    """Ask pip which versions it would install with one interpreter.

    Args:
        python: the interpreter to ask with.
        bounds: versions that are decided already.
        work: an empty folder for the environment and the files of this question.

    Returns:
        Version by canonical name, without build labels, GPU packages and the project itself.
    """
    bound_file = work / "bounds.txt"
    bound_file.write_text(render(bounds), encoding="utf-8")
    subprocess.run([python, "-m", "venv", str(work / "venv")], check=True)
    pip = [str(work / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--constraint", str(bound_file)]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    report = work / "report.json"
    question = ["--dry-run", "--ignore-installed", "--use-feature=fast-deps"]
    question += [
        "--report",
        str(report),
        f"{ROOT}[test,profile,openvino,multilingual,hwp,ocr]",
        *TOOLS,
    ]
    subprocess.run([*pip, *question], check=True)
    return versions(json.loads(report.read_text(encoding="utf-8")))


def versions(report: dict[str, object]) -> dict[str, str]:
    """Take name and version of each package out of pip's report."""
    found: dict[str, str] = {}
    entries = report["install"]
    assert isinstance(entries, list)  # noqa: S101 -- narrows for the type checker
    for entry in entries:
        name = pins.canonical(entry["metadata"]["name"])
        if name != "ingestd" and not pins.is_gpu_package(name):
            found[name] = entry["metadata"]["version"].partition("+")[0]
    return found


def render(found: dict[str, str]) -> str:
    """Write pins as the text of a constraints file."""
    return HEADER + "".join(f"{name}=={found[name]}\n" for name in sorted(found))


def main() -> int:
    """Resolve for each interpreter and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+", help="interpreters, such as python3.11 python3.13")
    parser.add_argument("--upgrade", action="store_true", help="forget the pins there are")
    arguments = parser.parse_args()
    bounds = {} if arguments.upgrade or not TARGET.exists() else pins.read(TARGET)
    found: dict[str, str] = {}
    for python in arguments.pythons:
        with tempfile.TemporaryDirectory() as work:
            answer = resolve(python, {**bounds, **found}, Path(work))
        print(f"{python}: {len(answer)} packages", flush=True)
        found = {**answer, **found}
    TARGET.write_text(render(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
