"""Decoding a file that is too long to be held: first what it is in, then piece by piece.

The decisions are those of `ingestd.embed.extract.decode`, taken over a stream. Only whether a text
reads as it was guessed is seen at its beginning.
"""

from __future__ import annotations

import codecs
import io
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ingestd.embed.extract import decode, korean
from ingestd.embed.extract.guess import Guess, candidates
from ingestd.embed.extract.skip import BinaryFileError, UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .file import FileBytes

_KOREAN_BYTES = 2 * korean.SAMPLE_BYTES


class Encoding(NamedTuple):
    """What a file is in.

    Attributes:
        codec: as Python names it.
        skipped: how many bytes of a mark come before the text.
        errors: what becomes of bytes that fit nowhere.
    """

    codec: str
    skipped: int = 0
    errors: str = "strict"


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
            return Encoding(name, len(bom))
    wide = decode.unmarked_wide(head)
    if wide is not None and _fits(file, wide):
        return Encoding(wide)
    if b"\0" in head:
        raise BinaryFileError("NUL bytes")
    decode.refuse_controls(decode.controls(head), len(head))
    if _is_utf8(file):
        return Encoding("utf-8")
    if _is_damaged_utf8(file):
        return Encoding("utf-8", errors="replace")
    return Encoding(_narrow(file, head, markup=markup))


def texts(file: FileBytes, encoding: Encoding) -> Iterator[str]:
    """Yield the text in pieces, with line feeds as the only newlines.

    Raises:
        UndecodableError: it is not in this encoding after all: the file changed meanwhile.
    """
    name, skipped, errors = encoding
    narrow = codecs.getincrementaldecoder(name)(errors)
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


def _is_utf8(file: FileBytes) -> bool:
    """Whether it is UTF-8.

    Raises:
        BinaryFileError: too many control characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, controls, length = True, 0, 0
    for piece in file.pieces():
        length += len(piece)
        controls += decode.controls(piece)
        if is_utf8:
            is_utf8 = _goes_on(decoder, piece)
    decode.refuse_controls(controls, length)
    return is_utf8 and _goes_on(decoder, b"", final=True)


def _is_damaged_utf8(file: FileBytes) -> bool:
    """Whether it is UTF-8 but for a few bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    foreign = bad = 0
    for piece in chain(file.pieces(), [b""]):
        found = decode.signs(decoder.decode(piece, not piece))
        foreign, bad = foreign + found[0], bad + found[1]
    return decode.is_damaged_utf8(foreign, bad)


def _goes_on(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _narrow(file: FileBytes, head: bytes, *, markup: bool) -> str:
    """The encoding of a text that is not UTF-8."""
    declared = decode.declared_encoding(head) if markup else None
    if declared is not None and _fits(file, declared):
        return declared
    beginning = file.head(_KOREAN_BYTES)
    guessed = _guessed(file)
    text = beginning.decode("cp949", "ignore")  # its end may cut a character in two
    if korean.reads_as_cp949(text, beginning, guessed) and _fits(file, "cp949"):
        return "euc_kr" if _fits(file, "euc_kr") else "cp949"
    if korean.reads_johab(beginning.decode("johab", "ignore")) and _fits(file, "johab"):
        return "johab"
    for name in candidates(guessed):
        if decode.reads_as_guessed(beginning.decode(name, "ignore")) and _fits(file, name):
            return name
    raise UndecodableError("no encoding fits")


def _guessed(file: FileBytes) -> str:
    """What the whole of it looks like."""
    guess = Guess()
    for piece in file.pieces():
        guess.feed(piece)
    return guess.codec()
