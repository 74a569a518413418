"""Which plug-ins are installed, asked in a process of their own each: none can harm the daemon.

What a plug-in said last is remembered. So one that is broken for a while leaves its documents as
they are: they fail with a reason, and nothing is taken from the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import structlog

from ingestd.embed.extract.plugin import GROUP, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = structlog.get_logger(__name__)

FILE = "plugins.json"
START_S = 60.0
_PROGRAM = ("-P", "-m", "ingestd.embed.extract.plugin")
_SHOWN_CHARS = 300


def installed(state_dir: Path, *, remember: bool = True) -> tuple[Plugin, ...]:
    """The plug-ins that are installed, by name; each with its problem, if it has one.

    Args:
        state_dir: where it is remembered what they said last.
        remember: write that down.
    """
    found = sorted({(entry.name, entry.value) for entry in entry_points(group=GROUP)})
    file = state_dir / FILE
    if not found:
        return ()
    last = {plugin.name: plugin for plugin in _read(file)}
    plugins = tuple(_asked(name, target, last.get(name)) for name, target in found)
    if remember:
        _write(file, [one for one in plugins if one.suffixes])
    for plugin in plugins:
        if plugin.problem:
            log.warning("plugin_broken", plugin=plugin.name, problem=plugin.problem)
    return plugins


def _asked(name: str, target: str, last: Plugin | None) -> Plugin:
    """What a plug-in says of itself, or what it said last, with its problem."""
    from .process import environment  # noqa: PLC0415 - seldom needed, and each start is here

    target = target.partition("[")[0].strip()
    try:
        answer = subprocess.run(
            [sys.executable, *_PROGRAM, name, target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_S,
            check=False,
            env=environment(),
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        return _broken(name, target, last, f"it does not answer within {START_S:g} s")
    except OSError as error:
        return _broken(name, target, last, f"it cannot be asked: {error}")
    lines = answer.stdout.decode("utf-8", "replace").strip().splitlines()
    if answer.returncode or not lines:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1][:_SHOWN_CHARS] if said else f"it ended with status {answer.returncode}"
        return _broken(name, target, last, why)
    try:
        version, suffixes, mime = json.loads(lines[-1])
        return Plugin(name, target, str(version), tuple(map(str, suffixes)), str(mime))
    except (ValueError, TypeError):
        return _broken(name, target, last, "its answer makes no sense")


def _broken(name: str, target: str, last: Plugin | None, why: str) -> Plugin:
    known = last or Plugin(name, target)
    return replace(known, target=target, problem=why)


def _read(file: Path) -> list[Plugin]:
    with contextlib.suppress(OSError, ValueError, TypeError):
        rows = json.loads(file.read_text("utf-8"))
        return [Plugin(**{**row, "suffixes": tuple(row["suffixes"])}) for row in rows]
    return []


def _write(file: Path, plugins: Iterable[Plugin]) -> None:
    text = json.dumps([asdict(replace(one, problem="")) for one in plugins], indent=1)
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        fresh.write_text(f"{text}\n", "utf-8")
        fresh.replace(file)
    except OSError as error:  # the next start asks again
        log.warning("plugins_not_remembered", error=str(error))
