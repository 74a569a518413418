"""What systemd is asked to do, and whether there is one."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestd.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS = Path("/run/systemd/system")
"""Is there while systemd is the manager of this machine."""
LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the administrator.

    Attributes:
        words: the program and its arguments.
        why: what it is for, for people.
        manager: it needs a running systemd.
        later: a person decides when; it is only told.
    """

    words: tuple[str, ...]
    why: str
    manager: bool = True
    later: bool = False

    def __str__(self) -> str:
        return shlex.join(self.words)


def after_install(*, user: bool, start: bool) -> list[Command]:
    """What makes the files count.

    Args:
        user: of one user's manager.
        start: start the service now, and with the machine.
    """
    control = ("systemctl", *(("--user",) if user else ()))
    first = [
        Command(("systemd-sysusers", "/etc/sysusers.d/ingestd.conf"), "the user", manager=False),
        Command(
            ("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/ingestd.conf"),
            "rights of the configuration",
            manager=False,
        ),
        Command(("sysctl", "-q", "-p", "/etc/sysctl.d/90-ingestd.conf"), "limits of the watchers"),
    ]
    last = [
        Command((*control, "daemon-reload"), "systemd reads the units"),
        Command((*control, "enable", "--now", "ingestd"), "start it, and with the machine")
        if start
        else Command((*control, "enable", "--now", "ingestd"), "start it", later=True),
    ]
    if user:
        linger = Command(("loginctl", "enable-linger"), "it runs while you are away", later=True)
        return [*last, linger]
    return [*first, *last]


def before_removal(*, user: bool) -> list[Command]:
    """What ends the service before its files go."""
    control = ("systemctl", *(("--user",) if user else ()))
    units = ["ingestd.service", "ingestd@*.service"]
    if not user:
        units.append("ingestd-chroma.service")
    return [
        Command((*control, "disable", "ingestd.service"), "not with the machine any more"),
        Command((*control, "stop", *units), "end it"),
    ]


def after_removal(*, user: bool) -> list[Command]:
    """What makes systemd forget the files."""
    control = ("systemctl", *(("--user",) if user else ()))
    return [Command((*control, "daemon-reload"), "systemd reads the units")]


def can_run(command: Command) -> bool:
    """Whether it can be run now."""
    if command.later or shutil.which(command.words[0]) is None:
        return False
    return RUNS.is_dir() or not command.manager


def run(words: Sequence[str]) -> None:
    """Run a command to its end.

    Raises:
        UnavailableError: it fails, or does not end.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{shlex.join(words)}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise UnavailableError(
            f"{shlex.join(words)}: {said or f'exit code {done.returncode}'}",
            hint="Mend that, and run the same command again: what is done already stays.",
        )
