"""Sound files that end early, or whose names say that they are something else."""

from __future__ import annotations

import gzip
import sqlite3
import tempfile
from pathlib import Path

from good import documents, texts
from kinds import DEAD, INDEXED, SKIPPED, Hostile, data

_SHARES = (10, 50, 95)
_UNSUPPORTED = f"{SKIPPED}: unsupported"
_ARCHIVE = f"{DEAD}: damaged archive"
_BINARY = f"{SKIPPED}: binary"
_PICTURE = f"{SKIPPED}: no text|{DEAD}: damaged picture"


_ENDS = {
    **dict.fromkeys(
        (
            ".docx",
            ".pptx",
            ".xlsx",
            ".xlsb",
            ".odt",
            ".ods",
            ".odp",
            ".epub",
            ".zip",
            ".tgz",
        ),
        _ARCHIVE,
    ),
    # Their last bytes are none of members.
    **dict.fromkeys((".tar", ".txz"), f"{_ARCHIVE}|{INDEXED}"),
    ".eml": INDEXED,
    ".msg": f"{INDEXED}|{DEAD}: damaged compound file|{_UNSUPPORTED}",
    ".pdf": f"{DEAD}: damaged PDF",
    ".xls": f"{_UNSUPPORTED}: it is damaged",
    ".rtf": f"{INDEXED}|{SKIPPED}: no text",
    **dict.fromkeys((".png", ".tif"), f"{INDEXED}|{_PICTURE}"),
}


def _cut() -> list[Hostile]:
    """Each document, after some of its bytes."""
    return [
        Hostile(
            f"{share}-percent-{name}".encode(),
            data(content[: len(content) * share // 100]),
            _ENDS[Path(name).suffix],
            f"{share} % of it",
        )
        for name, content in documents().items()
        for share in _SHARES
    ]


def _database() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE words (word TEXT)")
        db.close()
        return path.read_bytes()


_DOCUMENTS, _TEXTS = documents(), texts()
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
_NAMED = (
    # name, content, outcome, what it is
    (b"lie-1.docx", _DOCUMENTS["a.pdf"], INDEXED, "a PDF"),
    (b"lie-2.pdf", _DOCUMENTS["a.docx"], INDEXED, "a Word document"),
    (b"lie-3.docx", _DOCUMENTS["a.xlsx"], INDEXED, "a workbook"),
    (b"lie-4.xlsx", _DOCUMENTS["a.odt"], INDEXED, "a text of OpenDocument"),
    (b"lie-5.txt", _DOCUMENTS["a.rtf"], INDEXED, "rich text"),
    (b"lie-6.rtf", _DOCUMENTS["a.xls"], INDEXED, "an old workbook"),
    (b"lie-7.xls", _DOCUMENTS["a.rtf"], INDEXED, "rich text"),
    (b"lie-8.md", _DOCUMENTS["a.epub"], INDEXED, "a book"),
    (b"lie-9.json", _DOCUMENTS["a.pptx"], INDEXED, "slides"),
    (b"lie-10.pdf", _TEXTS["a.html"], INDEXED, "a page of the web"),
    (b"lie-11.xlsx", _TEXTS["a.csv"], INDEXED, "rows of text"),
    (b"lie-12.html", _TEXTS["a.json"], INDEXED, "JSON"),
    (b"lie-13.json", _TEXTS["a.html"], INDEXED, "a page of the web"),
    (b"lie-14.yaml", _TEXTS["a.csv"], INDEXED, "rows of text"),
    (b"lie-15.csv", _TEXTS["a.py"], INDEXED, "a program"),
    (b"lie-16.ipynb", _TEXTS["a.md"], f"{DEAD}: no notebook", "Markdown"),
    (b"lie-17.ipynb", b"[1, 2]", f"{DEAD}: no notebook", "a list"),
    (b"lie-18.srt", _TEXTS["a.toml"], INDEXED, "TOML"),
    (b"lie-19.pdf", _PNG, _PICTURE, "a picture"),
    (b"lie-20.docx", _PNG, _PICTURE, "a picture"),
    (b"lie-21.csv", gzip.compress(_TEXTS["a.csv"]), _BINARY, "compressed"),
    (b"lie-22.json", _database(), _BINARY, "a database"),
    (b"lie-23.md", b"\x1f\x8b\x08" + bytes(99), _BINARY, "compressed, and damaged"),
    (b"lie-24.txt", b"PK\x03\x04 is how an archive begins.\n" * 9, _BINARY, "text"),
    (b"lie-25.txt", b"{\\rtf is how rich text begins.\n" * 9, INDEXED, "text"),
    (
        b"lie-26.txt",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 99,
        f"{SKIPPED}|{INDEXED}",
        "eight bytes",
    ),
    (b"lie-27.html", "<p>말 words</p>".encode("utf-16"), INDEXED, "a page in UTF-16"),
    (b"lie-28.docx", _DOCUMENTS["a.docx"] + b"\0" * 70_000, f"{DEAD}|{INDEXED}", "and 70,000 NULs"),
    (
        b"lie-29.docx",
        b"\0" * 9_000 + _DOCUMENTS["a.docx"],
        f"{_BINARY}|{_UNSUPPORTED}",
        "after NULs",
    ),
)
ENTRIES = [
    *_cut(),
    *(Hostile(name, data(content), right, what) for name, content, right, what in _NAMED),
]
