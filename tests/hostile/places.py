"""What lies in a folder and is no file, is none for long, or has a name that hurts."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from kinds import ABSENT, ANY, INDEXED, SKIPPED, Hostile, data

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
_TEXT = "# Words\n\nSome words.\n"


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * GIB)


def _holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(40 << 20)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(path.parent, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be too long
        os.close(here)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def _deep_folders(path: Path) -> None:
    """Folders within folders, deeper than a path may be long."""
    here = os.open(path.parent, os.O_RDONLY)
    name = path.name
    for _ in range(60):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, name = below, "d" * 200
    file = os.open("a.md", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, _TEXT.encode())
    os.close(file)
    os.close(here)


def _rewrite(path: Path, turn: int) -> None:
    path.write_text(f"# Turn {turn}\n\n" + "words " * (turn % 50), "utf-8")


def _vanish(path: Path, turn: int) -> None:
    if turn % 2:
        path.unlink(missing_ok=True)
    else:
        path.write_text(_TEXT, "utf-8")


def _truncate(path: Path, turn: int) -> None:
    with path.open("r+b") as file:
        file.truncate(0 if turn % 2 else 3 << 20)


def _grow(path: Path, turn: int) -> None:
    with path.open("ab") as file:
        file.write(b"more words\n" * 100)


def _swap(path: Path, turn: int) -> None:
    """A file, a link that leads out, a pipe, by turns, under one name."""
    path.unlink(missing_ok=True)
    match turn % 3:
        case 0:
            path.write_text(_TEXT, "utf-8")
        case 1:
            path.symlink_to("/etc/passwd")
        case _:
            os.mkfifo(path)


ENTRIES = [
    Hostile(b"pipe.md", os.mkfifo, ABSENT, "a pipe that nobody writes to"),
    Hostile(b"socket.md", _socket, ABSENT, "a socket"),
    Hostile(b"device.md", _device, ABSENT, "a device"),
    Hostile(b"loop.md", lambda path: path.symlink_to(path.name), ABSENT, "a link to itself"),
    Hostile(
        b"out.md", lambda path: path.symlink_to("/etc/passwd"), ABSENT, "a link that leads out"
    ),
    Hostile(
        b"proc.md", lambda path: path.symlink_to("/proc/self/environ"), ABSENT, "a link to proc"
    ),
    Hostile(
        b"up", lambda path: path.symlink_to("..", target_is_directory=True), ABSENT, "a link up"
    ),
    Hostile(b"deep-folders", _deep_folders, ABSENT, "a path of 12,000 characters"),
    Hostile(b"sparse.txt", _sparse, f"{SKIPPED}: too big", "10 GB, none of it on the disk"),
    Hostile(b"holes.txt", _holes, f"{SKIPPED}: (binary|no text)", "40 MB of nothing"),
    Hostile(b"new\nline.md", data(_TEXT), INDEXED, "a newline in its name"),
    Hostile(b"\xff\xfe\x80.md", data(_TEXT), INDEXED, "a name that is not UTF-8"),
    Hostile(b"\x1b[31mred\x07.md", data(_TEXT), INDEXED, "a name that talks to terminals"),
    Hostile("\u202egnp.md".encode(), data(_TEXT), INDEXED, "a name that runs backwards"),
    Hostile(b"-rf --help.md", data(_TEXT), INDEXED, "a name that is an option"),
    Hostile(b"' OR 1=1; DROP TABLE documents;--.md", data(_TEXT), INDEXED, "SQL"),
    Hostile(b"<script>alert(1)<.md", data(_TEXT), INDEXED, "markup"),
    Hostile(b"%00%2e%2e{{7*7}}${x}.md", data(_TEXT), INDEXED, "what others would expand"),
    Hostile(b"x" * 252 + b".md", data(_TEXT), INDEXED, "a name as long as can be"),
    Hostile("한".encode() * 83 + b".md", data(_TEXT), INDEXED, "the same in Korean"),
    Hostile(b" .md", data(_TEXT), INDEXED, "a blank"),
    Hostile(
        b"no-rights.md", lambda path: (path.write_text(_TEXT), path.chmod(0)), ANY, "no rights"
    ),
    Hostile(b"busy.md", data(_TEXT), ANY, "written all the time", lively=_rewrite),
    Hostile(b"flickers.md", data(_TEXT), f"{ANY}|{ABSENT}", "there and gone", lively=_vanish),
    Hostile(
        b"shrinks.txt", data("words " * 500_000), ANY, "cut while it is read", lively=_truncate
    ),
    Hostile(b"grows.log", data("words\n"), ANY, "ever longer", lively=_grow),
    Hostile(
        b"swaps.md", data(_TEXT), f"{ANY}|{ABSENT}", "a file and a link by turns", lively=_swap
    ),
]
