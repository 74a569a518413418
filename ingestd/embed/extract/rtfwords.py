"""The words of rich text that matter to a reader, and its code pages."""

from __future__ import annotations

import codecs

CODE_PAGES = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
}
SIGNS = {
    "tab": "\t",
    "line": "\n",
    "emdash": "\u2014",
    "endash": "\u2013",
    "bullet": "\u2022",
    "lquote": "\u2018",
    "rquote": "\u2019",
    "ldblquote": "\u201c",
    "rdblquote": "\u201d",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
}
ESCAPED = {"~": "\u00a0", "_": "-", "-": "", "\n": "\n", "\r": "\n"}
_SKIPPED_NAMES = """
    fonttbl colortbl stylesheet listtable listoverridetable revtbl rsidtbl pict objdata fldinst
    header headerl headerr headerf footer footerl footerr footerf info pn pntext xe tc bkmkstart
    bkmkend filetbl generator themedata colorschememapping datastore latentstyles annotation atnid
    atnauthor atrfstart atrfend ftnsep ftnsepc aftnsep aftnsepc sp comment nonshppict
"""
SKIPPED = frozenset(_SKIPPED_NAMES.split())
"""Groups that are no text."""
# Behind \*, which says that who does not know a group leaves it out, we know these.
KNOWN = frozenset({"shptxt", "footnote", "shpinst", "shppict"})


def codec_of(number: int | None) -> str:
    """The codec of a code page; empty when there is none."""
    name = "johab" if number == 1361 else f"cp{number}"  # noqa: PLR2004 - a code page
    name = {"cp65001": "utf-8", "cp936": "gb18030", "cp10000": "mac_roman"}.get(name, name)
    try:
        return codecs.lookup(name).name
    except LookupError:
        return ""
