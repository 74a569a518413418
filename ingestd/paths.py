"""Paths and other texts for people: bytes as text, and nothing in them that steers a terminal."""

from __future__ import annotations


def text_of(path: bytes) -> str:
    """A path as text: bytes that are not UTF-8 are shown escaped."""
    return path.decode("utf-8", "backslashreplace")


def clean(value: str) -> str:
    """Text for a line: what could steer a terminal, or end the line, is shown escaped."""
    if value.isprintable():
        return value
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in value
    )
