"""Asks a Chroma for sound answers without hanging with it: in a thread, or in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from ingestd.errors import DiskFullError, StoreError

from .examine import MALFORMED, Answers, examine
from .plan import server_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def ask_server(
    client_of: Callable[[float], Any], names: Sequence[str], timeout_s: float
) -> Answers:
    """Ask a server.

    Args:
        client_of: opens a client with this time limit, in seconds.
        names: the collections to ask for.
        timeout_s: longest wait for all answers together.

    Returns:
        The answers; ``at`` is set when they did not all come in time: the collection that was
        asked for then, or ``?`` before the first.

    Raises:
        DiskFullError: nothing can be told while the disk is full.
        StoreError: the server is not there.
    """
    answers = Answers()
    failure: list[Exception] = []

    def ask() -> None:
        try:
            client = client_of(timeout_s)
            try:
                examine(client, names, lambda _name: None, answers)
            finally:
                client.close()
        except Exception as error:  # noqa: BLE001 - told below, in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=ask, name="examine", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        answers.at = answers.at or "?"
        return answers
    if failure and isinstance(failure[0], DiskFullError):
        raise failure[0]
    if failure and not answers.at:
        raise StoreError(f"Chroma does not answer: {failure[0]}") from failure[0]
    return answers


def ask_directory(directory: Path, names: Sequence[str], timeout_s: float, lock_fd: int) -> Answers:
    """Have a child process open a directory and ask.

    Args:
        directory: Chroma's data, which nobody has open.
        names: the collections to ask for.
        timeout_s: longest wait for the child.
        lock_fd: the locked file of the directory, which the child keeps open while it lives.

    Returns:
        The answers; a collection that the child hung or died with is among the broken ones.

    Raises:
        DiskFullError: nothing can be told while the disk is full.
        StoreError: the directory cannot be opened, for a reason that has nothing to do with
            damage.
    """
    said, ending = _in_child(directory, names, timeout_s, lock_fd)
    if "full" in said:
        raise DiskFullError(said["full"])
    if "broken" in said:
        return Answers("", said["broken"], said["unreadable"])
    reason, at = said.get("failed") or ending, said.get("at", "")
    if at:
        return Answers("", {at: reason})
    if any(words in reason for words in MALFORMED):
        return Answers("", {}, reason)
    raise StoreError(f"cannot open the Chroma data in {directory}: {reason}")


def _in_child(
    directory: Path, names: Sequence[str], timeout_s: float, lock_fd: int
) -> tuple[dict[str, Any], str]:
    """Run the child; returns what it said, and how it ended."""
    with subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "ingestd.embed.chroma.examine"),
            *(str(directory), str(os.getpid()), *names),
        ],
        env=server_environment(os.environ),
        pass_fds=(lock_fd,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            output, _ = child.communicate(timeout=timeout_s)
            ending = f"the process that asked ended with status {child.returncode}"
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
            ending = f"no answer within {timeout_s:g} s"
    said: dict[str, Any] = {}
    for line in output.splitlines():
        said.update(json.loads(line))
    return said, ending
