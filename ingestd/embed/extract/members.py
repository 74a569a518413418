"""Members of archives: their paths."""

from __future__ import annotations

import posixpath

from ingestd.embed.extract.charset import words

_MOST_BYTES = 4096


def path_of(raw: bytes, otherwise: str = "") -> str:
    """The path of a member, below the archive.

    Args:
        raw: as it is stored.
        otherwise: where nobody knows how it is.
    """
    raw = raw[:_MOST_BYTES]
    name = words(raw) if raw else otherwise
    name = name.encode("utf-8", "replace").decode().replace("\\", "/")
    return posixpath.normpath(f"/{name}").lstrip("/")


def is_passed_over(path: str) -> bool:
    """Whether it is what a Mac keeps beside each file."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2].startswith("._")
