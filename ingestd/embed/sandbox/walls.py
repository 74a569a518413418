"""All parts of the sandbox together, and which of them the kernel granted."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from . import calls, files, namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Walls:
    """What keeps a process in.

    Attributes:
        network: it has a network of its own with nothing in it, by way of a ``user`` namespace or
            of a ``network`` namespace alone; empty without either.
        rights: it has no capability left.
        files: the version of Landlock that keeps it from other files; 0 without.
        calls: a seccomp filter denies sockets, processes and changes to files.
    """

    network: str = ""
    rights: bool = False
    files: int = 0
    calls: bool = False

    @property
    def missing(self) -> list[str]:
        """What the kernel did not grant, in words."""
        named = {
            "network namespace": self.network,
            "Landlock": self.files,
            "seccomp": self.calls,
        }
        return [name for name, held in named.items() if not held]

    def as_dict(self) -> dict[str, Any]:
        """For a message."""
        return asdict(self)


def enter(readable: Iterable[Path] = (), *, before_last: Callable[[], object] = bool) -> Walls:
    """Put up every wall that the kernel grants, for good. One thread may run, and no more.

    Args:
        readable: files and folders that may be read, beyond what Python needs.
        before_last: called when only the filter of calls is to come.
    """
    network = namespace.enter()
    rights = namespace.drop_capabilities()
    version, filtered = 0, False
    with contextlib.suppress(OSError):
        version = files.restrict(readable)
    before_last()
    with contextlib.suppress(OSError):
        filtered = calls.restrict()
    return Walls(network, rights, version, filtered)
