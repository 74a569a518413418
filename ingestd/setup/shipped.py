"""The unit files that come with ingestd, from the one place where they are."""

from __future__ import annotations

import re
from pathlib import Path

from ingestd.errors import NotFoundError

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "systemd", PACKAGE.parent / "systemd")
"""In an installation, and in a checkout."""
PROGRAMS = "/usr/local/lib/ingestd/.venv/bin/"
"""Where the units take the programs to be."""
UNITS = ("ingestd.service", "ingestd@.service", "ingestd-chroma.service")
OF_USERS = frozenset(
    [
        "Description",
        "StartLimitIntervalSec",
        "StartLimitBurst",
        "Type",
        "NotifyAccess",
        "ExecStart",
        "ExecReload",
        "WatchdogSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "KillMode",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "UMask",
        "Environment",
        "MemoryHigh",
        "MemoryMax",
        "OOMPolicy",
        "TasksMax",
        "LimitNOFILE",
        "LimitCORE",
        "Nice",
        "IOSchedulingClass",
        "IOSchedulingPriority",
        "NoNewPrivileges",
        "RestrictAddressFamilies",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "SystemCallArchitectures",
        "SystemCallFilter",
        "SystemCallErrorNumber",
        "WantedBy",
    ]
)
"""What the manager of a user can do without rights: no other user, no mounts."""


def read(name: str) -> str:
    """The text of a file, by its path within the folder.

    Raises:
        NotFoundError: this installation has none.
    """
    for place in PLACES:
        if (place / name).is_file():
            return (place / name).read_text("utf-8")
    raise NotFoundError(
        f"{name} is not part of this installation", hint="Install ingestd anew, from its wheel."
    )


def drop_ins() -> list[str]:
    """The names of the drop-ins."""
    found = (path for place in PLACES for path in place.glob("ingestd.service.d/*.conf"))
    return sorted({path.stem for path in found})


def unit(name: str, programs: Path) -> str:
    """A unit for the whole machine.

    Args:
        name: one of `UNITS`.
        programs: the folder that ``ingestd`` and ``chroma`` are in.
    """
    return read(name).replace(PROGRAMS, f"{_escaped(programs)}/")


def user_unit(programs: Path, *, template: bool = False) -> str:
    """The same for the manager of a user: folders are those of the user.

    Args:
        programs: as above.
        template: for several instances.
    """
    text = unit("ingestd@.service" if template else "ingestd.service", programs)
    kept = [line for line in text.splitlines() if _is_kept(line)]
    own = "\n".join(kept).replace("WantedBy=multi-user.target", "WantedBy=default.target")
    own = re.sub(
        r"/etc/ingestd/%i\.toml", "%E/ingestd/%i.toml --state-dir %h/.local/state/ingestd-%i", own
    )
    return re.sub(r"\n{3,}", "\n\n", own) + "\n"


def _is_kept(line: str) -> bool:
    key, given, _ = line.partition("=")
    return not line.startswith("#") and (not given or key in OF_USERS)


def _escaped(path: Path) -> str:
    """A path in a command of a unit: blanks and signs of systemd's own stand for themselves."""
    return (
        str(path).replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace(" ", r"\x20")
    )
