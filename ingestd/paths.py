"""Paths for people: bytes on disk, text where they are shown."""

from __future__ import annotations


def text_of(path: bytes) -> str:
    """A path as text: bytes that are not UTF-8 are shown escaped."""
    return path.decode("utf-8", "backslashreplace")
