"""The headers of a mail: their lines, their parameters, and the words that are encoded in them."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from ingestd.embed.extract.charset import words as decoded_words

MOST_BYTES = 64 * 1024
"""Of one header; what comes behind is left out."""
_ENCODED = re.compile(
    rb"=\?([\w.:+-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\r\n]*)\?=(?:[ \t]+(?==\?))?"
)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,200}$")
_MOST_PARAMETERS = 64
_PARAMETERS_BYTES = 8 * 1024


class Headers:
    """The headers of a mail or of a part of it, by their names; the first of a name counts.

    Args:
        lines: the lines up to the empty one.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self._found: dict[str, bytearray] = {}
        last: bytearray | None = None
        for line in (one.rstrip(b"\r\n") for one in lines):
            if line[:1] in (b" ", b"\t"):
                if last is not None and len(last) < MOST_BYTES:
                    last += line
                continue
            name, colon, value = line.partition(b":")
            last = None
            if colon and _NAME.match(name.rstrip()):
                key = name.rstrip().decode("ascii").lower()
                if key not in self._found:
                    last = self._found[key] = bytearray(value[:MOST_BYTES])

    def __len__(self) -> int:
        return len(self._found)

    def text(self, name: str) -> str:
        """A header in words, on one line; empty where there is none."""
        return " ".join(words(bytes(self._found.get(name, b""))).split())

    def date(self) -> str:
        """When it was sent, as ``2026-03-05 14:03 +0900``; as it stands where it is no date."""
        text = self.text("date")
        try:
            return f"{parsedate_to_datetime(text):%Y-%m-%d %H:%M %z}".rstrip()
        except (ValueError, TypeError, IndexError, OverflowError):
            return text[:100]

    def type(self) -> tuple[str, dict[str, str]]:
        """The media type, and its parameters."""
        kind, parameters = self._parameters("content-type")
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind):
            kind = "text/plain"
        return kind, parameters

    def disposition(self) -> tuple[str, dict[str, str]]:
        """How a part is shown, and the parameters of that."""
        return self._parameters("content-disposition")

    def encoding(self) -> str:
        """How the bytes of a part are written."""
        return self.text("content-transfer-encoding").lower().strip(" ;\"'")

    def _parameters(self, name: str) -> tuple[str, dict[str, str]]:
        """A header that has parameters: the word in front, and what they are."""
        raw = bytes(self._found.get(name, b""))[:_PARAMETERS_BYTES]
        raw = b";".join(raw.split(b";", _MOST_PARAMETERS)[:_MOST_PARAMETERS])
        message = Message()
        message["content-type"] = " ".join(raw.decode("latin-1").split())
        found: dict[str, str] = {}
        for key, value in message.get_params(failobj=[]) or []:
            if isinstance(value, tuple):  # RFC 2231: charset, language, bytes
                charset, _, text = value
                words_ = decoded_words(text.encode("latin-1", "replace"), charset or "")
            else:
                words_ = words(str(value).encode("latin-1", "replace"))
            found.setdefault(key.lower(), words_)
        kind = next(iter(found), "")
        found.pop(kind, None)
        return kind.strip().lower(), found


def words(raw: bytes) -> str:
    """The value of a header, with the words in it decoded."""
    parts: list[str] = []
    place, held, charset = 0, b"", b""
    for found in _ENCODED.finditer(raw):
        between = raw[place : found.start()]
        name, how, content = found[1].lower(), found[2].lower(), found[3]
        # A character may begin in one word and end in the next.
        if held and (between or name != charset):
            parts.append(decoded_words(held, charset.decode()))
            held = b""
        if between:
            parts.append(decoded_words(between))
        held += from_base64(content) if how == b"b" else _from_q(content)
        place, charset = found.end(), name
    if held:
        parts.append(decoded_words(held, charset.decode()))
    parts.append(decoded_words(raw[place:]))
    return "".join(parts)


def _from_q(content: bytes) -> bytes:
    return binascii.a2b_qp(content, header=True)


def from_base64(content: bytes) -> bytes:
    """The bytes that a text in Base64 stands for, as far as it is such."""
    try:
        return binascii.a2b_base64(content + b"==")
    except binascii.Error:
        bare = _NO_BASE64.sub(b"", content)
        return binascii.a2b_base64(bare[: len(bare) - (len(bare) % 4 == 1)] + b"==")


def moment(seconds: float) -> str:
    """A moment since 1970 as a date of a mail."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M %z}"
