"""Decoding a file that is too long to be held: first what it is in, then piece by piece.

The decisions are those of `ingestd.embed.extract.decode`, taken over a stream. Only the guess, made
where nothing else fits, sees a sample instead of the whole.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING

from ingestd.embed.extract import decode, korean
from ingestd.embed.extract.skip import BinaryFileError, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .file import FileBytes

    Encoding = tuple[str, int]
    """A codec, and how many bytes of a mark come before the text."""

_KOREAN_BYTES = 2 * korean.SAMPLE_BYTES
_GUESS_BYTES = 256 * 1024
_PLACE_BYTES = 16 * 1024
_GUESSES = 4
_HIGH = re.compile(rb"[\x80-\xff]")


def encoding_of(file: FileBytes, *, markup: bool) -> Encoding:
    """What a file is in; its bytes are read once or a few times.

    Args:
        file: the file.
        markup: whether a declaration inside is to be believed.

    Raises:
        BinaryFileError: the bytes are no text.
        UndecodableError: they look like text, but in no known encoding.
    """
    head = file.head(decode.SNIFF_BYTES)
    for bom, name in decode.BOMS:
        if head.startswith(bom) and _fits(file, name, len(bom)):
            return name, len(bom)
    wide = decode.unmarked_wide(head)
    if wide is not None and _fits(file, wide):
        return wide, 0
    if b"\0" in head:
        raise BinaryFileError("NUL bytes")
    decode.refuse_controls(decode.controls(head), len(head))
    is_utf8, sample = _survey(file)
    return ("utf-8" if is_utf8 else _narrow(file, head, sample, markup=markup)), 0


def texts(file: FileBytes, encoding: Encoding) -> Iterator[str]:
    """Yield the text in pieces, with line feeds as the only newlines.

    Raises:
        UndecodableError: it is not in this encoding after all: the file changed meanwhile.
    """
    name, skipped = encoding
    narrow = codecs.getincrementaldecoder(name)()
    decoder = io.IncrementalNewlineDecoder(narrow, translate=True)
    first = True
    try:
        for piece in file.content():
            text = decoder.decode(piece[skipped:])
            skipped -= min(skipped, len(piece))
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            if text:
                yield decode.without_nul(text)
        if rest := decoder.decode(b"", final=True):
            yield decode.without_nul(rest)
    except UnicodeDecodeError as error:
        raise UndecodableError(f"no {name} after all") from error


def _fits(file: FileBytes, name: str, skipped: int = 0) -> bool:
    """Whether the whole file can be decoded so."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for piece in file.pieces():
            decoder.decode(piece[skipped:])
            skipped -= min(skipped, len(piece))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _survey(file: FileBytes) -> tuple[bool, bytes]:
    """Whether it is UTF-8, and if not, a sample of the places that are not ASCII.

    Raises:
        BinaryFileError: too many control characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, controls, length = True, 0, 0
    sample = bytearray()
    for piece in file.pieces():
        length += len(piece)
        controls += decode.controls(piece)
        if is_utf8:
            is_utf8 = _goes_on(decoder, piece)
        if len(sample) < _GUESS_BYTES and (high := _HIGH.search(piece)):
            sample += _place(piece, high.start())
    decode.refuse_controls(controls, length)
    return is_utf8 and _goes_on(decoder, b"", final=True), bytes(sample)


def _goes_on(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _place(piece: bytes, start: int) -> bytes:
    """Some lines from the first place on that is not ASCII, and so begins a character."""
    found = piece[start : start + _PLACE_BYTES]
    last = found.rfind(b"\n")
    return found[: last + 1] if last > 0 else found + b"\n"


def _narrow(file: FileBytes, head: bytes, sample: bytes, *, markup: bool) -> str:
    """The encoding of a text that is not UTF-8."""
    declared = decode.declared_encoding(head) if markup else None
    if declared is not None and _fits(file, declared):
        return declared
    beginning = file.head(_KOREAN_BYTES)
    text = beginning.decode("cp949", "ignore")  # its end may cut a character in two
    if korean.reads_korean(text, beginning) and _fits(file, "cp949"):
        return "cp949"
    if korean.reads_johab(beginning.decode("johab", "ignore")) and _fits(file, "johab"):
        return "johab"
    for name in _guesses(sample):
        if _fits(file, name):
            return name
    raise UndecodableError("no encoding fits")


def _guesses(sample: bytes) -> Iterator[str]:
    """Yield what charset-normalizer makes of a sample, the best first."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - rarely needed, slow to import

    for found in list(from_bytes(sample))[:_GUESSES]:
        if decode.reads_as_guessed(str(found)):
            yield found.encoding
