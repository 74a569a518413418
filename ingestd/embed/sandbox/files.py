"""A Landlock rule set: no file can be opened but what Python itself needs, read only.

Open descriptors stay usable: the document comes as one. The rules hold for the thread that sets
them and for those that it starts, so they are set before a library starts any.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files each version of the interface knows."""
_NETWORK_FROM, _SCOPES_FROM = 4, 6
_TCP = 0b11
_SCOPES = 0b11
"""Abstract sockets and signals, of processes outside."""
_PR_SET_NO_NEW_PRIVS = 38
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)


def restrict(extra: Iterable[Path] = ()) -> int:
    """Deny this process all other files; returns the version of the interface, 0 without one.

    Args:
        extra: what it may read beyond what Python needs: files, and folders with all in them.

    Raises:
        OSError: the kernel refuses.
    """
    version = _version()
    if version < 1:
        return 0
    ruleset = _ruleset(version)
    try:
        for path in _needed(extra):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                _allow(ruleset, path)
        kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
        kernel.syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _version() -> int:
    if not kernel.is_linux():
        return 0
    try:
        return kernel.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    except OSError:  # not built in, or not switched on
        return 0


def _ruleset(version: int) -> int:
    """A rule set that denies all that this version knows."""
    parts = [(1 << _RIGHTS.get(version, max(_RIGHTS.values()))) - 1]
    if version >= _NETWORK_FROM:
        parts.append(_TCP)
    if version >= _SCOPES_FROM:
        parts.append(_SCOPES)
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    return kernel.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)


def _allow(ruleset: int, path: Path) -> None:
    """Let what is at and below a path be read."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        is_dir = stat.S_ISDIR(os.fstat(fd).st_mode)
        rights = _READ_FILE | (_READ_DIR if is_dir else 0)
        kernel.syscall(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)


def _needed(extra: Iterable[Path]) -> Iterator[Path]:
    """Where the interpreter and its libraries are."""
    yield from map(Path, _SYSTEM)
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for path in {*extra, *map(Path, [*prefixes, *sys.path, *libraries, *_mapped(), *_linked()])}:
        # The whole disk is no library, nor is a folder of somebody's documents.
        if path.is_absolute() and len(path.parts) > 1 and path != Path("/home"):
            yield path


def _mapped() -> Iterator[str]:
    """Packages that are installed as a link to their checkout and lie outside of ``sys.path``."""
    for finder in sys.meta_path:
        module = sys.modules.get(getattr(finder, "__module__", ""))
        mapping = getattr(module, "MAPPING", None)
        if isinstance(mapping, dict):
            yield from (str(path) for path in mapping.values())


def _linked() -> Iterator[str]:
    """What packages that are installed as links lead to; they are loaded when first needed."""
    for folder in filter(os.path.isabs, sys.path):
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            yield from (os.path.realpath(entry.path) for entry in found if entry.is_symlink())
