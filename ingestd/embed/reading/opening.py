"""Opens a file of a source: regular ones only, and none that lies outside."""

from __future__ import annotations

import errno
import os
import stat


class GoneError(Exception):
    """There is no file of this source at this path (any more)."""


def open_inside(root: bytes, path: bytes) -> int:
    """Open a file for reading; the caller closes the descriptor.

    Args:
        root: the folder of the source.
        path: the path within it.

    Raises:
        GoneError: nothing is there, or no regular file, or a link on the way leads out.
        OSError: it cannot be opened.
    """
    full = os.path.join(root, path)
    try:
        if not _inside(root, full):
            raise GoneError
        return _open_regular(full)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GoneError from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # replaced by something that is no file
            raise GoneError from error
        raise


def look_inside(root: bytes, path: bytes) -> os.stat_result:
    """Look at a file without opening it.

    Raises:
        GoneError: nothing is there.
        OSError: nobody can tell.
    """
    try:
        return look(root, path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GoneError from error


def look(root: bytes, path: bytes) -> os.stat_result:
    """Look at what a path leads to, through links."""
    return os.stat(os.path.join(root, path))  # noqa: PTH116 - bytes paths


def _inside(root: bytes, full: bytes) -> bool:
    """Whether a path leads to a place within its source: a link on the way may lead out of it."""
    top = os.path.realpath(root)
    return os.path.realpath(full).startswith(top.rstrip(b"/") + b"/")


def _open_regular(path: bytes) -> int:
    """Open without waiting for a writer, should it be a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ENXIO, "not a regular file")
    return fd
