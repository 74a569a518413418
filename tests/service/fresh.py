"""From a machine without ingestd to a running service, by the commands of docs/install.md.

    python tests/service/fresh.py wheelhouse

As root. The machine has a systemd, Debian's Python and a folder of wheels, and no network.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import time
from pathlib import Path

from booted_machine import Machine
from server import Server, eventually

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = "/srv/handbook"
QUESTION = "how do I back up and restore an instance?"
INSTALL = (
    "cd /srv/share/wheelhouse",
    "python3 -m scripts.install --venv /opt/ingestd --wheels . --packaged",
    "ln -s /opt/ingestd/bin/ingestd /usr/local/bin/ingestd",
    "mkdir -p /usr/local/share/man/man1",
    "ln -s /opt/ingestd/share/man/man1/ingestd.1 /usr/local/share/man/man1/ingestd.1",
    f"ingestd service install {FOLDER} --dry-run",
    f"ingestd service install {FOLDER} --now",
)
AFTER = (
    "systemctl status ingestd --no-pager",
    "systemd-analyze security ingestd --no-pager | tail -1",
    "test -s /usr/local/share/man/man1/ingestd.1",
    "runuser -u ingestd -- ingestd doctor",
)


def shell(machine: Machine, *lines: str) -> None:
    """Run lines as an administrator types them, and show what they print."""
    for number, line in enumerate(lines):
        sys.stdout.write(f"# {line}\n")
        place = lines[0] if number and lines[0].startswith("cd ") else "true"
        env = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = machine.run("env", "-i", env, "HOME=/root", "sh", "-c", f"{place} && {line}")
        sys.stdout.write(f"{done.stdout}{done.stderr}\n")
        if done.returncode:
            raise SystemExit(f"{line}: {done.returncode}")


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", type=Path)
    wheels: Path = parser.parse_args().wheels
    text = (DOCS / "install.md").read_text("utf-8")
    known = {re.sub(r"\s+#.*", "", line.strip()) for line in text.splitlines()}
    for line in INSTALL[1:]:
        if line not in known:
            raise SystemExit(f"docs/install.md does not say: {line}")
    with Machine() as machine:
        machine.share.chmod(0o755)
        shutil.copytree(wheels, machine.share / "wheelhouse")
        for page in DOCS.rglob("*.md"):
            place = machine.share / "docs" / page.relative_to(DOCS)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, place)
        machine.run("cp", "-r", "/srv/share/docs", FOLDER, check=True)
        began = time.monotonic()
        shell(machine, *INSTALL)
        started = time.monotonic()
        server = Server(machine, program="/opt/ingestd/bin/ingestd")
        number = len(list(DOCS.rglob("*.md")))
        eventually(server.ready, 300)
        eventually(lambda: server.documents()["indexed"] == number, 300)
        searchable = time.monotonic()
        shell(machine, *AFTER)
        hits = [json.loads(line) for line in server.verb("query", QUESTION, "--json").splitlines()]
        sys.stdout.write("".join(f"{hit['metadata']['path']}\n" for hit in hits))
        server.control("stop")
        shell(machine, "ingestd service uninstall", "rm -r /opt/ingestd /usr/local/bin/ingestd")
        sys.stdout.write(
            f"installed and started in {started - began:.0f} s; {number} documents searchable "
            f"{searchable - started:.0f} s later\n"
        )


if __name__ == "__main__":
    main()
