"""Which files go where: for the whole machine, or for one user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

MANIFEST = ".service.json"


@dataclass(frozen=True, slots=True)
class Target:
    """A file to be.

    Attributes:
        path: where, below the root.
        text: what is in it.
        mode: its rights.
        ours: it is brought up to date, and taken away; otherwise it belongs to who edits it.
    """

    path: Path
    text: str
    mode: int = 0o644
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a service is put.

    Attributes:
        user: for one user, not for the machine.
        units: folder of the units.
        configuration: folder of the configuration.
        state: what the service keeps; nobody removes it.
    """

    user: bool
    units: Path
    configuration: Path
    state: Path

    @property
    def config_file(self) -> Path:
        """The configuration of the one service."""
        return self.configuration / "config.toml"

    @property
    def manifest(self) -> Path:
        """What was written, for the next time."""
        return self.configuration / MANIFEST


def of_machine() -> Layout:
    """For the whole machine, under a user of its own."""
    return Layout(
        user=False,
        units=Path("/etc/systemd/system"),
        configuration=Path("/etc/ingestd"),
        state=Path("/var/lib/ingestd"),
    )


def of_user() -> Layout:
    """For the user who asks."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Layout(
        user=True,
        units=config / "systemd" / "user",
        configuration=config / "ingestd",
        state=state / "ingestd",
    )


def targets(
    layout: Layout, programs: Path, configuration: str, drop_ins: Sequence[str]
) -> list[Target]:
    """Everything that is put in place.

    Args:
        layout: where.
        programs: the folder that ``ingestd`` is in.
        configuration: text of the configuration, where there is none yet.
        drop_ins: names of those that are wanted.
    """
    found = [Target(layout.config_file, configuration, 0o640, ours=False)]
    if layout.user:
        found += [
            Target(layout.units / "ingestd.service", shipped.user_unit(programs)),
            Target(layout.units / "ingestd@.service", shipped.user_unit(programs, template=True)),
        ]
    else:
        found += [
            Target(layout.units / name, shipped.unit(name, programs)) for name in shipped.UNITS
        ]
        found += [
            Target(Path("/etc") / folder / name, shipped.read(f"{folder}/{name}"))
            for folder, name in (
                ("sysusers.d", "ingestd.conf"),
                ("tmpfiles.d", "ingestd.conf"),
                ("sysctl.d", "90-ingestd.conf"),
            )
        ]
    folder = "ingestd.service.d"
    return found + [
        Target(layout.units / folder / f"{name}.conf", shipped.read(f"{folder}/{name}.conf"))
        for name in drop_ins
    ]
