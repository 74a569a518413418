"""Names and contents of files, small enough in number that operations meet each other."""

from __future__ import annotations

import random
import unicodedata

from hypothesis import strategies as st

HANGUL = "한글 문서.md"
FILE_NAMES = [
    b"a.md",
    b"b.txt",
    b"c.md",
    b"README",
    b"page.html",
    b"code.py",
    b".hidden.md",
    b"-dash.txt",
    b"sp ace.md",
    b"new\nline.md",
    b"quo'te\".txt",
    b"back\\slash.md",
    b"%41?#&.md",
    b"caf\xe9.txt",
    b"\xff\xfe.md",
    unicodedata.normalize("NFC", HANGUL).encode(),
    unicodedata.normalize("NFD", HANGUL).encode(),
    "\N{GRINNING FACE}.txt".encode(),
    # What the built-in rules leave out.
    b"draft.tmp",
    b"a.md~",
    b".env",
    b".#a.md",
]
FOLDER_NAMES = [b"d1", b"d2", b"sub", "폴더".encode(), b"\xffdir", b"with space", b".git"]
EXTENSION_KINDS = ("md", "plain", "korean", "mixed", "latin1", "binary", "blank", "empty")

_WORDS = [f"{a}{b}" for a in ("ra", "to", "mi", "ke", "lu") for b in ("ven", "sol", "dar", "pin")]
_KOREAN = ["문서", "검색", "벡터", "변경", "파일", "이름", "색인", "조각"]

file_names = st.sampled_from(FILE_NAMES)
folder_names = st.sampled_from(FOLDER_NAMES)
kinds = st.sampled_from(EXTENSION_KINDS)
seeds = st.integers(0, 5)
sizes = st.sampled_from([1, 1, 2, 2, 3, 5, 8, 20, 120])
"""Sections of a document; one is a chunk or two."""
picks = st.integers(0, 40)
"""Which of the files or folders that there are, counted around."""
shares = st.sampled_from([0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
"""How far into a file."""


def content(kind: str, seed: int, sections: int) -> bytes:
    """The bytes of a document: the same for the same arguments."""
    if kind == "empty":
        return b""
    if kind == "blank":
        return b" \n\t\n" * sections
    source = random.Random(f"{kind} {seed}")
    if kind == "binary":
        return source.randbytes(200 * sections) + b"\0"
    words = {"korean": _KOREAN, "mixed": _KOREAN + _WORDS}.get(kind, _WORDS)
    parts = []
    for number in range(sections):
        if kind in ("md", "mixed"):
            parts.append(f"## Section {number} {source.choice(words)}")
        lines = source.randint(1, 4)
        parts += [sentence(source, words) for _ in range(lines)]
        parts.append("")
    return "\n".join(parts).encode("latin-1" if kind == "latin1" else "utf-8")


def sentence(source: random.Random, words: list[str]) -> str:
    """A line of words."""
    return " ".join(source.choice(words) for _ in range(source.randint(4, 14))) + "."


def insertion(seed: int) -> bytes:
    """A line to put somewhere into a document."""
    return (sentence(random.Random(seed), _WORDS) + "\n").encode()
