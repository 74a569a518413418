"""Text whose charset somebody declares, as in mails: what is declared is often wrong.

Korean mails say ``ks_c_5601-1987`` or ``euc-kr`` and mean CP949, or say ``us-ascii``, or nothing.
"""

from __future__ import annotations

import codecs
import re

from ingestd.embed.extract.decode import decode
from ingestd.embed.extract.korean import reads_korean

_SUPERSETS = {
    "euc_kr": "cp949",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}
_SHIFTED = re.compile(r"iso2022_\w+|hz")
_MANY_BYTES = re.compile(r"cp949|cp932|cp950|euc_\w+|shift_jis\w*|big5\w*|gb18030|johab")
_ONE_BYTE = re.compile(r"cp\d+|iso8859-\d+|koi8-\w|mac-\w+|tis-620")
_MOST_WRONG = 0.02
_REPLACED = "\ufffd"


def charset_of(name: str) -> str:
    """The codec that a declared charset means; empty when it is none that is known."""
    try:
        found = codecs.lookup(name.strip(" \t\"'")[:40]).name
    except (LookupError, ValueError):
        return ""
    found = _SUPERSETS.get(found, found)
    known = (_SHIFTED, _MANY_BYTES, _ONE_BYTE)
    return found if found == "utf-8" or any(one.fullmatch(found) for one in known) else ""


def decoded(data: bytes, declared: str = "", *, markup: bool = False) -> str:
    """Decode a text; its newlines are line feeds.

    Args:
        data: its bytes.
        declared: what it is said to be in; may be empty, unknown, or wrong.
        markup: whether it may say itself what it is in.

    Raises:
        SkipDocument: it is no text, or in no encoding that is known.
    """
    text = _fitting(data, charset_of(declared))
    if text is None:
        return decode(data, markup=markup)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


def words(data: bytes, declared: str = "") -> str:
    """Decode a few words, such as a name, in whatever they are: of so few a guess says nothing."""
    text = data.decode() if data.isascii() else None
    if text is None or _SHIFTED.fullmatch(charset_of(declared)):
        text = _fitting(data, charset_of(declared))
    if text is None:
        text = data.decode("cp1252", "replace")
    return text.replace("\0", " ")


def _fitting(data: bytes, name: str) -> str | None:
    """Text in what is declared, in UTF-8, or in Korean; None where none of these fits."""
    text = _strict(data, name) if _SHIFTED.fullmatch(name) else None
    if text is not None or data.isascii():
        return text
    text = _strict(data, "utf-8")
    if text is None and name in {"", "cp1252", "utf-8"}:
        text = _korean(data)
    if text is None and name not in {"", "utf-8"}:
        text = _strict(data, name)
    return _nearly(data, name) if text is None and name else text


def _nearly(data: bytes, name: str) -> str | None:
    """Text with a few bytes that are wrong in this encoding."""
    text = data.decode(name, "replace")
    return None if "\0" in text or text.count(_REPLACED) > len(text) * _MOST_WRONG else text


def _korean(data: bytes) -> str | None:
    text = _strict(data, "cp949")
    return text if text is not None and reads_korean(text, data) else None


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None
