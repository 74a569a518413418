"""Uses the main command as a newcomer does: index a folder, query it, edit a file, stop.

``make smoke`` runs it. It starts ``make run`` on a folder of its own and leaves nothing behind.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INGESTD = Path(sys.executable).parent / "ingestd"
READY_S = 120.0
EDIT_S = 60.0
STOP_S = 10.0
README_QUESTION = "how do we rotate the keys?"
DOCUMENTS = {
    "harbour.md": "# Harbour\n\nFerries leave for the island every morning at half past seven.\n",
    "bread.md": "# Bread\n\nKnead the dough for ten minutes and let it rest overnight.\n",
    "notes/telescope.txt": "The telescope's mirror is cleaned with distilled water only.\n",
}
EDITED = "# Bread\n\nThe saxophone player practises scales in the cellar on Sundays.\n"


class SmokeError(Exception):
    """The command did not do what it promises."""


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def found(text: str, name: str, state: Path) -> bool:
    """Tell whether a query's answer has a file, and the longest word that was asked for."""
    command = [str(INGESTD), "query", text, "--state-dir", str(state), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    word = max(text.split(), key=len)
    return answer.returncode == 0 and name in answer.stdout and word in answer.stdout.lower()


def wait_for(text: str, name: str, state: Path, run: subprocess.Popen[bytes], limit: float) -> None:
    """Query until a file is found; raise `SmokeError` when it is not in time, or the run ended."""
    started = time.monotonic()
    while not found(text, name, state):
        if run.poll() is not None:
            raise SmokeError(f"`make run` ended with exit code {run.returncode}")
        if time.monotonic() - started > limit:
            raise SmokeError(f"{name} was not found within {limit:.0f} s by the query {text!r}")
        time.sleep(0.2)
    print(f"found {name} after {time.monotonic() - started:.1f} s", flush=True)


def query_as_the_readme_says(port: int, name: str) -> None:
    """Run the README's first Python example; raise `SmokeError` when it misses a file."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n", 1)[1].split("```", 1)[0]
    code = code.replace("port=8000", f"port={port}").replace(README_QUESTION, "fresh bread dough")
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if answer.returncode or not answer.stdout.startswith(f"{name}\n"):
        raise SmokeError(f"the README's Python example failed:\n{answer.stdout}{answer.stderr}")
    print("the README's Python example works", flush=True)


def stop(run: subprocess.Popen[bytes], port: int) -> None:
    """Ask the command to stop; raise `SmokeError` when it, or its server, does not in time."""
    started = time.monotonic()
    run.send_signal(signal.SIGTERM)
    try:
        run.wait(STOP_S)
    except subprocess.TimeoutExpired:
        raise SmokeError(f"`make run` did not stop within {STOP_S:.0f} s") from None
    print(f"stopped after {time.monotonic() - started:.1f} s", flush=True)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SmokeError(f"something still listens on port {port}")


def use(folder: Path) -> None:
    """Run the command on a folder of documents and use it."""
    docs, state, port = folder / "docs", folder / "state", free_port()
    for name, text in DOCUMENTS.items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text, encoding="utf-8")
    command = ["make", "run", f"DOCS={docs}", f"STATE_DIR={state}", f"PORT={port}"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as run:
        try:
            wait_for("when do the ferries leave", "harbour.md", state, run, READY_S)
            wait_for("clean the telescope mirror", "telescope.txt", state, run, EDIT_S)
            query_as_the_readme_says(port, "bread.md")
            (docs / "bread.md").write_text(EDITED, encoding="utf-8")
            wait_for("saxophone practice", "bread.md", state, run, EDIT_S)
            stop(run, port)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def main() -> int:
    """Run the check in a temporary folder; the exit code is 0 when all went well."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            use(Path(folder))
        except SmokeError as error:
            print(f"smoke: {error}", file=sys.stderr)
            return 1
    print("smoke: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
