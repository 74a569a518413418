"""Installs from a folder of wheels and does the main job where there is no network at all.

``make offline-check`` runs it: a network namespace of its own, in which even the loopback interface
is down; an environment made from nothing but the folder of wheels; a user of its own where root
runs it; the documents of this checkout. It leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "INGESTD_OFFLINE_CHECK"
NOBODY = 65_534
QUESTION, ANSWERS = "how do I back up and restore an instance?", {"cli.md", "recovery.md"}


class OfflineError(Exception):
    """Something does not work without network, or there is a network."""


def check_alone() -> None:
    """See that no interface is up, and that there is no route; raise `OfflineError` otherwise."""
    lines = Path("/proc/net/dev").read_text("utf-8").splitlines()[2:]
    names = {line.split(":")[0].strip() for line in lines}
    routes = Path("/proc/net/route").read_text("utf-8").splitlines()[1:]
    addresses = Path("/proc/net/fib_trie").read_text("utf-8") if names else ""
    if names - {"lo"} or routes or "127.0.0.1" in addresses:
        raise OfflineError(f"this namespace has a network: {names}, {routes}")
    print("no interface but a loopback that is down; no address; no route", flush=True)


def install(wheels: Path, venv: Path) -> None:
    """Make an environment from the folder alone: its own installer, pins and wheels."""
    command = [sys.executable, "-m", "scripts.install", "--venv", str(venv)]
    subprocess.run([*command, "--wheels", ".", "--packaged"], cwd=wheels, check=True)


def as_user(folder: Path) -> list[str]:
    """What has a command run by a user without rights; nothing where we have none to give up."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    wrap = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    python = os.path.realpath(sys.executable)
    if subprocess.run([*wrap, "test", "-r", python], check=False).returncode:
        raise OfflineError(
            f"{python} is for one user alone: make offline-check PYTHON=/usr/bin/python3"
        )
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return wrap


def call(wrap: list[str], venv: Path, home: Path, *words: str) -> list[Any]:
    """Run a verb; returns its lines of JSON, and raises `OfflineError` when it fails."""
    done = subprocess.run(
        [*wrap, str(venv / "bin" / "ingestd"), *words, "--json"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OfflineError(f"ingestd {' '.join(words)}: {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def use(venv: Path, home: Path) -> None:
    """Index the documents, ask, back up, restore, and index again with nothing embedded."""
    (home / "docs").mkdir()
    for page in (ROOT / "docs").glob("*.md"):
        shutil.copy(page, home / "docs")
    wrap = as_user(home)
    print(f"as {'another user' if wrap else 'this user'}", flush=True)
    [report] = call(wrap, venv, home, "run", "docs", "--once")
    print(f"indexed: {report['documents']}, {report['chunks']}", flush=True)
    if report["documents"]["failed"] or not report["chunks"]["embedded"]:
        raise OfflineError(f"not everything was indexed: {report}")
    paths = {hit["metadata"]["path"] for hit in call(wrap, venv, home, "query", QUESTION)}
    print(f"{QUESTION!r}: {', '.join(sorted(paths))}", flush=True)
    if not paths & ANSWERS:
        raise OfflineError(f"no answer is from {ANSWERS}")
    call(wrap, venv, home, "backup", "backups")
    call(wrap, venv, home, "restore", "backups", "--state-dir", "again")
    [report] = call(wrap, venv, home, "run", "docs", "--once", "--state-dir", "again")
    print(f"restored: {report['chunks']}", flush=True)
    if report["chunks"]["embedded"] or not report["chunks"]["live"]:
        raise OfflineError(f"a restored instance embedded something: {report}")


def inside(wheels: Path) -> None:
    """Everything, in a folder of its own."""
    check_alone()
    with tempfile.TemporaryDirectory(prefix="ingestd-offline-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        started = time.monotonic()
        install(wheels, folder / "venv")
        print(f"installed in {time.monotonic() - started:.0f} s", flush=True)
        started = time.monotonic()
        (folder / "home").mkdir()
        use(folder / "venv", folder / "home")
        print(f"used in {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    """Go into a namespace without network, and do it there; 1 where something fails."""
    parser = argparse.ArgumentParser(description="Install and use ingestd without any network.")
    parser.add_argument("wheels", type=Path)
    wheels = parser.parse_args().wheels.expanduser().resolve()
    if INSIDE not in os.environ:
        way = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        os.environ[INSIDE] = "1"
        os.execvp(way[0], [*way, sys.executable, "-m", "scripts.offline", str(wheels)])  # noqa: S606 - no shell is what is wanted
    try:
        inside(wheels)
    except (OfflineError, subprocess.CalledProcessError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
