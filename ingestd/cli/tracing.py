"""A trace from the verb's side: begun, followed to its end, its file taken over and summed up."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.errors import (
    IngestdError,
    NotRunningError,
    StateError,
    UnavailableError,
    WaitTimeoutError,
)
from ingestd.recording import FOLDER, PART

from . import table

if TYPE_CHECKING:
    from ingestd.location import Location
    from ingestd.serve.client import Client

ROUTE = "/v1/profile"
POLL_S = 0.5
LATE_S = 60.0
"""How much longer than asked for a trace may take: a busy daemon answers late."""
LOST_S = 30.0
SUMMARY_S = 600.0
REASONS = {
    "time": "",
    "asked": "ended early, as asked",
    "size": "ended early: the file is as large as it may be",
    "disk": "ended early: too little space is left on the disk",
    "client": "ended early: nobody waited for it any more",
    "stop": "ended early: the daemon was stopped",
    "killed": "ended early: the daemon was killed; the last moments are missing",
    "error": "ended early: the log of the daemon tells why",
}

Report = Callable[[dict[str, Any]], None]


def follow(
    daemon: Client, location: Location, wish: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Have a trace taken, and wait for its end; Ctrl-C ends it early.

    Args:
        daemon: takes it.
        location: where its file is.
        wish: what is sent.
        report: called with each state of the trace.

    Raises:
        IngestdError: it cannot be begun, or its file is lost.
    """
    state = daemon.post(ROUTE, {**wish, "watched": True}, timeout_s=LATE_S)
    deadline = time.monotonic() + state["seconds"] + LATE_S
    try:
        while state["state"] == "running":
            report(state)
            left_s = state["seconds"] - state["elapsed_s"]
            time.sleep(max(0.05, min(POLL_S, left_s)))
            state = _ask(daemon, state, deadline)
    except KeyboardInterrupt:
        return _end(daemon, location, state)
    except (NotRunningError, UnavailableError):
        return _from_lost(location, state)
    return state


def _ask(daemon: Client, state: dict[str, Any], deadline: float) -> dict[str, Any]:
    try:
        found = daemon.get(ROUTE)
    except WaitTimeoutError:
        if time.monotonic() > deadline:
            raise
        return state
    if found.get("file") != state["file"]:
        raise IngestdError(
            "the trace is gone: the daemon was started again, or takes another one",
            hint="Take it again.",
        )
    return found


def _end(daemon: Client, location: Location, state: dict[str, Any]) -> dict[str, Any]:
    try:
        return daemon.delete(ROUTE)
    except (NotRunningError, UnavailableError):
        return _from_lost(location, state)


def _from_lost(location: Location, state: dict[str, Any]) -> dict[str, Any]:
    """The daemon does not answer any more: it stops and leaves the file, or was killed."""
    file = location.state_dir / FOLDER / state["file"]
    deadline = time.monotonic() + LOST_S
    while time.monotonic() < deadline:
        dead = table.running(location) is None
        if file.exists():
            return {**state, "state": "ended", "reason": "stop"}
        part = file.with_name(file.name + PART)
        if dead and part.exists():
            part.rename(file)
            return {**state, "state": "ended", "reason": "killed"}
        if dead:
            break
        time.sleep(0.1)
    raise NotRunningError("the daemon has ended, and left no trace")


def take_over(location: Location, name: str, target: Path) -> None:
    """Move the file of a trace from the state directory to where it is wanted.

    Raises:
        StateError: it cannot be written there; it stays where it is.
    """
    file = location.state_dir / FOLDER / Path(name).name
    try:
        try:
            file.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(file, target)
            file.unlink()
    except OSError as error:
        raise StateError(
            f"{target}: {error.strerror}",
            hint=f"The trace is {file}: take it away before the next one, or the next start.",
        ) from error


def _copy(file: Path, target: Path) -> None:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as out, file.open("rb") as source:
            shutil.copyfileobj(source, out)
    except OSError:
        target.unlink()
        raise


def summary(file: Path, code: list[str], top: int) -> dict[str, Any]:
    """Have a trace summed up, in a process of its own.

    Raises:
        IngestdError: it cannot be; the file is there.
    """
    command = [sys.executable, "-m", "ingestd.trace_summary", str(file), "--top", str(top)]
    for folder in code:
        command += ["--code", folder]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=SUMMARY_S
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise _no_summary(file, f"it takes longer than {SUMMARY_S:g} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise _no_summary(file, lines[-1] if lines else f"status {error.returncode}") from error
    except ValueError as error:
        raise _no_summary(file, str(error)) from error
    return found


def _no_summary(file: Path, why: str) -> IngestdError:
    return IngestdError(
        f"the trace is in {file}, but it could not be summed up: {why}",
        hint=f"`{memray_command()} stats {file}` may tell more.",
    )


def memray_command() -> str:
    """How memray is called from here."""
    return "memray" if shutil.which("memray") else f"{sys.executable} -m memray"
