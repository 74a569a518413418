"""Names that say that a file holds credentials, where it is packed in another file.

On the disk the rules of the source decide. What is packed has no place there, so that only what
such a pattern says of names counts: ``*.key``, ``id_rsa``, ``**/.kube/config``.
"""

from __future__ import annotations

import re
import unicodedata
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Sealed:
    """Tells which paths are sealed; what comes later among the patterns wins.

    Args:
        patterns: in the syntax of .gitignore; those that begin at one folder count for none here.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = [rule for pattern in patterns if (rule := _rule(pattern))]

    def __call__(self, path: str) -> bool:
        """Whether a path is sealed.

        Args:
            path: its parts parted by slashes; letters of either case.
        """
        path = unicodedata.normalize("NFC", path).lower()
        found = False
        for sealed, pattern in self._rules:
            if sealed is not found and pattern.fullmatch(path):
                found = sealed
        return found


def _rule(pattern: str) -> tuple[bool, re.Pattern[str]] | None:
    """What a pattern says of paths: whether they are sealed, and which they are."""
    body = unicodedata.normalize("NFC", pattern.strip()).lower()
    sealed = not body.startswith("!")
    body = body.removeprefix("!")
    inside = body.endswith("/")
    body = body.rstrip("/").removeprefix("**/")
    if not body or body.startswith(("#", "/")) or ("/" in body and "**/" not in pattern):
        return None
    named = "/".join(translate(part)[4:-3] for part in body.split("/"))
    named = named.replace(".*", "[^/]*")
    tail = "/.*" if inside else ""
    return sealed, re.compile(f"(?:.*/)?{named}{tail}", re.DOTALL)
