"""Formats that somebody else's package reads: what is known of a plug-in.

A plug-in is an entry point of the group ``ingestd.extractors`` that names a class with what
`DocumentReader` asks for.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestd.ports import DocumentReader

GROUP = "ingestd.extractors"
_SUFFIX = re.compile(r"[^\s./\0]{1,32}")
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+")


@dataclass(frozen=True, slots=True)
class Plugin:
    """What is known of a plug-in.

    Attributes:
        name: that of its entry point.
        target: its class, as ``module:name``.
        version: that of what it gives.
        suffixes: the ends of the names of its files.
        mime: their media type.
        problem: why it cannot be used now; empty when it can.
    """

    name: str
    target: str
    version: str = ""
    suffixes: tuple[str, ...] = ()
    mime: str = ""
    problem: str = ""


def described(name: str, target: str) -> Plugin:
    """Load a plug-in, and see what it says of itself.

    Raises:
        Exception: whatever its code raises, or that it does not say what it must.
    """
    reader = loaded(target)
    suffixes, mime, version = reader.suffixes, reader.mime, str(reader.version)
    if isinstance(suffixes, str) or not suffixes:
        raise TypeError("`suffixes` is no list of texts")
    for suffix in suffixes:
        if not _SUFFIX.fullmatch(suffix) or suffix != suffix.lower():
            raise ValueError(f"`suffixes` has {suffix!r}: no dot, lower case")
    if not _MIME.fullmatch(mime):
        raise ValueError(f"`mime` is {mime!r}, which is no media type")
    if not version or len(version) > 100:  # noqa: PLR2004 - more is no version
        raise ValueError("`version` is empty or too long")
    if not callable(reader.read):
        raise TypeError("`read` is no method")
    return Plugin(name, target, version, tuple(suffixes), mime)


def loaded(target: str) -> DocumentReader:
    """The class of a plug-in, made."""
    module, _, name = target.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    reader: DocumentReader = found() if isinstance(found, type) else found
    return reader


def main() -> None:
    """Tell in JSON what a plug-in says of itself: its name and its class are the arguments."""
    plugin = described(sys.argv[1], sys.argv[2])
    said = json.dumps([plugin.version, plugin.suffixes, plugin.mime])
    sys.stdout.write(f"\n{said}\n")


if __name__ == "__main__":
    main()
