"""Private keys in text: whole ones, whose structure holds, and not the outlines of a manual.

A key that is quoted in source code or JSON, or indented, is one as well. One that is cut short by
dots, or whose body is not what its first bytes announce, is an illustration.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from .likely import entropy

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----")
CARRY_CHARS = 24 * 1024
"""More than any key takes."""
_BODY = re.compile(
    # Head lines as of PGP and of old encrypted keys, then the lines of the key.
    r"(?:(?:[\s\"'+,]|\\[nrt]){0,64}+"
    r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[^\n\"\\]{0,200}){0,8}"
    r"((?:[A-Za-z0-9+/=\s\"',]|\\[nrt]){0,20000}+)-----END "
)
_NOISE = re.compile(r"\\[nrt]|[^A-Za-z0-9+/]")
_OPENSSH = b"openssh-key-v1\0"
_SEQUENCE = 0x30
_LONG_FORM = 0x80
_PGP_SECRET = (0x94, 0x95, 0x96, 0x97, 0xC5)
_LEAST_BYTES = 40
_LEAST_BITS = 3.0
"""Of a hexadecimal digit of the key; at random they come to nearly 4."""


def find(text: str, *, headers: bool = False) -> Iterator[tuple[int, str]]:
    """Yield where a private key begins, and of what kind it is.

    Args:
        text: any text; time is linear in its length.
        headers: believe a mere header.
    """
    at = 0
    while found := HEADER.search(text, at):
        at = found.end()
        kind = found[1].strip() or "PKCS 8"
        if headers:
            yield found.start(), kind
            continue
        body = _BODY.match(text, at)
        if body is not None:
            at = body.end(1)
            if _is_key(kind, body[1], plain=body.start(1) == found.end()):
                yield found.start(), kind


def _is_key(kind: str, body: str, *, plain: bool) -> bool:
    data = decoded(_NOISE.sub("", body))
    if len(data) < _LEAST_BYTES or entropy(data.hex()) < _LEAST_BITS:
        return False
    if kind.startswith("OPENSSH"):
        return data.startswith(_OPENSSH)
    if kind.startswith("PGP"):
        return data[0] in _PGP_SECRET
    # What is encrypted the old way has no structure to look at.
    return _is_whole(data) if plain else True


def _is_whole(data: bytes) -> bool:
    """Whether these are as many bytes as their first ones announce (DER, a sequence)."""
    if data[0] != _SEQUENCE:
        return False
    if data[1] < _LONG_FORM:
        return len(data) >= 2 + data[1]
    more = data[1] - _LONG_FORM
    return len(data) >= 2 + more + int.from_bytes(data[2 : 2 + more], "big")


def decoded(text: str) -> bytes:
    """Base64 without its padding; nothing where it is none."""
    text = text.rstrip("=")
    if len(text) % 4 == 1:  # no length of base64: something is stuck to its end
        text = text[:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
