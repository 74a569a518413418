"""From bytes to text: byte order marks, UTF-8, declared and Korean encodings, then a guess.

The order is the point. UTF-8 proves itself; Korean text in cp949 or Johab almost does, when what it
decodes to looks Korean, and nothing speaks for another script; everything else is a guess over the
whole file.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from ingestd.embed.extract.guess import Guess, candidates
from ingestd.embed.extract.korean import SAMPLE_BYTES, reads_as_cp949, reads_johab
from ingestd.embed.extract.skip import BinaryFileError, UndecodableError

SNIFF_BYTES = 8 * 1024
_MAX_CONTROL_SHARE = 0.05
_MAX_ASCII_SHARE = 0.8
SPELT = b"\xa4\xd4"
"""What the bytes begin with that spell a syllable in EUC-KR."""
_LEAST_FITTING = 10
"""So many characters must fit for one that does not."""
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r"

# Tab, newline, form feed, the backspace of overstruck manuals and the escape of coloured logs are
# text; the other control characters are not.
_TEXT_CONTROLS = "\b\t\n\v\f\r\x1b"
_CONTROLS = bytes(b for b in range(0x20) if chr(b) not in _TEXT_CONTROLS) + b"\x7f"

_NOT_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})  # Unicode categories
_SURROGATE = re.compile("[\ud800-\udfff]")

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"<(?:meta|\?xml)\b[^>]{0,400}?\b(?:charset|encoding)\s{0,9}=\s{0,9}"
    rb"""["']?\s{0,9}([\w.:-]{2,40})""",
    re.IGNORECASE,
)
_SAFE_CODECS = re.compile(
    r"cp\d+|iso8859-\d+|euc_\w+|shift_jis\w*|big5\w*|gb\w+|hz|koi8-\w|johab|mac-\w+|tis-620"
)
# What the web means by a label is often a superset of what the label says.
_SUPERSETS = {
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}


def decode(data: bytes, *, markup: bool = False) -> str:
    """Decode a whole file.

    Args:
        data: the file's bytes.
        markup: whether a ``<meta charset>`` or XML declaration inside is to be believed, where
            neither a byte order mark nor UTF-8 applies.

    Returns:
        The text, with line feeds as the only newlines, without NUL and lone surrogates.

    Raises:
        BinaryFileError: the bytes are no text.
        UndecodableError: they look like text, but in no known encoding.
    """
    text = _wide(data)
    if text is None:
        _refuse_binary(data)
        text = _narrow(data, markup=markup)
    return _tidy(text)


def _wide(data: bytes) -> str | None:
    """Text marked by a byte order mark, or UTF-16/32 without one; None when it is neither."""
    for bom, encoding in BOMS:
        if data.startswith(bom):
            text = _strict(data[len(bom) :], encoding)
            if text is not None:
                return text
    unmarked = unmarked_wide(data[:SNIFF_BYTES])
    return None if unmarked is None else _strict(data, unmarked)


def unmarked_wide(head: bytes) -> str | None:
    """Which of UTF-16 and UTF-32 the beginning of a file without a mark is in, if any."""
    if b"\0" not in head or _is_mostly_ascii(head):
        return None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        sample = _strict(head, encoding, cut=True)
        if sample is not None and _reads_as_text(sample):
            return encoding
    return None


def _is_mostly_ascii(data: bytes) -> bool:
    """Whether too few bytes are outside ASCII, NUL among them, for two or four of a character."""
    return len(data) - len(data.translate(None, _PRINTABLE)) > len(data) * _MAX_ASCII_SHARE


def _reads_as_text(sample: str) -> bool:
    """Whether every character is assigned and one of text, and some are common ones."""
    if not sample or not any(c in " \n\t" or c.isascii() for c in sample):
        return False
    return all(c in _TEXT_CONTROLS or unicodedata.category(c) not in _NOT_TEXT for c in set(sample))


def _refuse_binary(data: bytes) -> None:
    """Raise `BinaryFileError` for NUL bytes near the start or too many control characters."""
    if b"\0" in data[:SNIFF_BYTES]:
        raise BinaryFileError("NUL bytes")
    for part in (data[:SNIFF_BYTES], data):
        refuse_controls(controls(part), len(part))


def controls(data: bytes) -> int:
    """How many control characters there are that no text has."""
    return len(data) - len(data.translate(None, _CONTROLS))


def refuse_controls(number: int, of: int) -> None:
    """Raise `BinaryFileError` for too many control characters."""
    if number > of * _MAX_CONTROL_SHARE:
        raise BinaryFileError("control characters")


def _narrow(data: bytes, *, markup: bool) -> str:
    """Text in UTF-8, a declared encoding, cp949, or what the whole of it looks like."""
    text = _strict(data, "utf-8")
    if text is None:
        text = _damaged(data)
    if text is None and markup:
        text = _declared(data)
    if text is None:
        guess = Guess()
        guess.feed(data)
        codec = guess.codec()
        text = _korean(data, codec)
    if text is None:
        text = _guessed(data, codec)
    if text is None:
        raise UndecodableError("no encoding fits")
    return text


def _strict(data: bytes, encoding: str, *, cut: bool = False) -> str | None:
    """Decode, or None; ``cut`` forgives a character that the end of the data cuts in two."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(data, final=not cut)
    except UnicodeDecodeError:
        return None


def _damaged(data: bytes) -> str | None:
    """UTF-8 that somebody cut or put something into; None when it is none."""
    text = data.decode("utf-8", "replace")
    return text if is_damaged_utf8(*signs(text)) else None


def signs(text: str) -> tuple[int, int]:
    """How many characters are not ASCII, and how many of them stand for bytes that fit nowhere."""
    ascii_only = len(text.encode("ascii", "ignore"))
    return len(text) - ascii_only, text.count("\ufffd")


def is_damaged_utf8(foreign: int, bad: int) -> bool:
    """Whether a text is UTF-8 but for a few bytes.

    No other encoding gives characters of several bytes that fit by chance, not more than a few.

    Args:
        foreign: how many characters are not ASCII.
        bad: how many of them stand for bytes that fit nowhere.
    """
    return foreign - bad >= _LEAST_FITTING * bad


def _declared(data: bytes) -> str | None:
    """Decode as the markup says; None when it says nothing usable or the bytes disagree."""
    name = declared_encoding(data[:SNIFF_BYTES])
    return None if name is None else _strict(data, name)


def declared_encoding(head: bytes) -> str | None:
    """What the markup says that it is in; None when it says nothing usable."""
    match = _DECLARED.search(head)
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1].decode("ascii", "replace")).name
    except LookupError:
        return None
    name = _SUPERSETS.get(name, name)
    # Some of Python's codecs are no charsets, and one escape can make a lone surrogate.
    return name if _SAFE_CODECS.fullmatch(name) else None


def _korean(data: bytes, guessed: str) -> str | None:
    """Decode as cp949 or Johab when the result reads as Korean."""
    text = _strict(data, "cp949")
    if text is not None and reads_as_cp949(text, data, guessed):
        # Only euc_kr has the eight bytes that spell a syllable which KS X 1001 lacks.
        spelt = _strict(data, "euc_kr") if SPELT in data else None
        return text if spelt is None else spelt
    text = _strict(data, "johab")
    return text if text is not None and reads_johab(text) else None


def _guessed(data: bytes, codec: str) -> str | None:
    """Decode as guessed; None when the bytes disagree, or give what no text has."""
    for name in candidates(codec):
        text = _strict(data, name)
        if text is not None and reads_as_guessed(text):
            return text
    return None


def reads_as_guessed(text: str) -> bool:
    """Whether a guess gave few of the control characters that a wrong one gives."""
    sample = text[:SAMPLE_BYTES]
    found = sum(1 for c in sample if "\x7f" <= c <= "\x9f")
    return found <= len(sample) * _MAX_CONTROL_SHARE


def _tidy(text: str) -> str:
    """Make all newlines line feeds; refuse what no store takes."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return without_nul(text)


def without_nul(text: str) -> str:
    """Make NULs blanks.

    Raises:
        UndecodableError: there are lone surrogates, which no store takes.
    """
    if _SURROGATE.search(text):
        raise UndecodableError("lone surrogates")
    # A hole in a log that was cut while it was written reads as NULs: nothing was there.
    return text.replace("\0", " ")
