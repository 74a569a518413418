"""Has Chroma's database written anew by a process of its own; see `squeeze`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from ingestd.errors import StoreError

from .plan import server_environment
from .squeeze import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LOOK_S = 0.25
LEAST_S = 120.0
BYTES_PER_S = 2 * 1024**2
"""Slower than this, it hangs."""


def squeeze_beside(
    directory: Path, folder: Path, built: Sequence[str], check_going: Callable[[], None]
) -> None:
    """Write a copy of the database into a folder, without what was deleted. Blocking.

    Args:
        directory: Chroma's data; it may be open, and is not written meanwhile.
        folder: where the copy goes, under the database's name.
        built: ids of the indexes that need no log any more.
        check_going: called now and then; what it raises ends the work.

    Raises:
        StoreError: it cannot be done.
    """
    order = Order(str(directory), str(folder), list(built)).as_json()
    size = sum(file.stat().st_size for file in directory.glob("*.sqlite3"))
    limit_s = LEAST_S + size / BYTES_PER_S
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingestd.embed.chroma.squeeze", str(os.getpid())],
            env=server_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise StoreError(f"cannot start the process that copies the database: {error}") from error
    with process:
        try:
            said = _said(process, order, limit_s, check_going)
        except BaseException:
            process.kill()
            raise
    if "failed" in said or not said:
        why = said.get("failed") or f"it ended with status {process.returncode}"
        raise StoreError(f"Chroma's database cannot be copied: {why}")


def _said(
    process: subprocess.Popen[bytes], order: bytes, limit_s: float, check_going: Callable[[], None]
) -> dict[str, object]:
    """What the process says in the end; nothing when it just ended."""
    given: bytes | None = order
    waited_s = 0.0
    while True:
        try:
            output, _ = process.communicate(given, timeout=LOOK_S)
        except subprocess.TimeoutExpired:
            given = None
            waited_s += LOOK_S
            if waited_s > limit_s:
                raise StoreError(
                    f"Chroma's database was not copied within {limit_s:.0f} s"
                ) from None
            check_going()
        else:
            found: dict[str, object] = json.loads(output) if output else {}
            return found
