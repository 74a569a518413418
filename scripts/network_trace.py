"""Shows whom ingestd talks to: every network call of a run, as the kernel saw it.

``make network-trace`` runs it: a daemon with the real model under strace, on a machine whose
network may work. It indexes documents of this checkout, is edited, asked, looked at and stopped.
Prints each kind of target with its number, and ends with 1 where one is neither a Unix socket nor
the loopback.
"""

from __future__ import annotations

import argparse
import collections
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("install.md", "recovery.md", "rag-apps.md")
QUESTION = "how do I restore a backup?"
DEADLINE_S = 180.0
CALL = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(")
FAMILY = re.compile(r"sa_family=(\w+)")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
PATH = re.compile(r'sun_path=(@?"[^"]*")')


class TraceError(Exception):
    """The run itself did not do what it should."""


def targets(lines: list[str]) -> collections.Counter[str]:
    """Whom the calls of a trace are for.

    Args:
        lines: as ``strace -e trace=%network`` writes them.
    """
    found: collections.Counter[str] = collections.Counter()
    for line in lines:
        if not CALL.search(line) or (family := FAMILY.search(line)) is None:
            continue  # on a connection that was counted when it was made
        address, path = ADDRESS.search(line), PATH.search(line)
        where = next((part for part in address.groups() if part), "") if address else ""
        if path:
            where = re.sub(r"\d+", "N", path[1].strip('"'))
        found[f"{family[1]} {where}".strip()] += 1
    return found


def is_inside(target: str) -> bool:
    """Whether a target is on this machine: a Unix socket, the kernel, or the loopback."""
    family, _, where = target.partition(" ")
    if family in {"AF_UNIX", "AF_UNSPEC", "AF_NETLINK"}:
        return True
    try:
        return ipaddress.ip_address(where).is_loopback
    except ValueError:
        return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(log: Path, event: str, number: int = 1) -> None:
    """Wait until the log has an event so often."""
    end = time.monotonic() + DEADLINE_S
    while log.read_text("utf-8").count(f'"event": "{event}"') < number:
        if time.monotonic() > end:
            raise TraceError(f"no {event}:\n{log.read_text('utf-8')[-3_000:]}")
        time.sleep(0.1)


def verb(python: Path, home: Path, trace: Path, *words: str) -> str:
    """Run a verb under strace; returns what it prints."""
    done = subprocess.run(
        [*strace(trace), str(python), "-m", "ingestd", *words],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TraceError(f"ingestd {' '.join(words)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def strace(trace: Path) -> list[str]:
    """What a program is traced by, with all its children."""
    return [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-s",
        "256",
        "-e",
        "trace=%network",
        "-o",
        str(trace),
    ]


def environment(home: Path) -> dict[str, str]:
    """That of somebody who has configured nothing."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(home), "LANG": "C.UTF-8"}


def use(python: Path, home: Path) -> None:
    """The main job: index, edit, ask, look at health and metrics, stop."""
    docs, log = home / "docs", home / "log"
    docs.mkdir()
    for name in DOCUMENTS:
        shutil.copy(ROOT / "docs" / name, docs)
    state = ("--state-dir", str(home / "state"))
    with log.open("wb") as output:
        tracer = subprocess.Popen(
            [
                *strace(home / "daemon.trace"),
                *(str(python), "-m", "ingestd", "run", str(docs), *state),
                *("--port", str(free_port())),
            ],
            env=environment(home),
            cwd=home,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        wait_for(log, "ready")
        (docs / "install.md").write_text("# Anew\n\nThis is another text.\n", "utf-8")
        wait_for(log, "document_indexed", len(DOCUMENTS) + 1)
        found = verb(python, home, home / "query.trace", "query", QUESTION, "--json", *state)
        if "recovery.md" not in found:
            raise TraceError(f"no answer is from recovery.md: {found}")
        verb(python, home, home / "status.trace", "status", "--json", *state)
        verb(python, home, home / "check.trace", "check", *state)
    finally:
        os.killpg(tracer.pid, signal.SIGTERM)
        tracer.wait(60)


def main() -> int:
    """Trace a run, and print whom it talks to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    python = parser.parse_args().python
    if shutil.which("strace") is None:
        print("needs strace: apt-get install strace", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="ingestd-trace-") as name:
        home = Path(name)
        try:
            use(python, home)
        except TraceError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        lines = [
            line.replace(name, "HOME")
            for trace in sorted(home.glob("*.trace"))
            for line in trace.read_text("utf-8", "replace").splitlines()
        ]
    found = targets(lines)
    for target, number in sorted(found.items()):
        print(f"{number:7,}  {target}{'' if is_inside(target) else '   <-- outside'}")
    outside = [target for target in found if not is_inside(target)]
    if not any(target.startswith("AF_INET") for target in found):
        print("error: not even the store was reached: the trace shows nothing", file=sys.stderr)
        return 1
    print(f"{sum(found.values()):,} calls, {len(outside)} kinds of target outside this machine")
    return 1 if outside else 0


if __name__ == "__main__":
    raise SystemExit(main())
