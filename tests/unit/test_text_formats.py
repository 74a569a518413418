"""What is true of every text format: exact places, streams, small edits, hostile files."""

from __future__ import annotations

import dataclasses
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.chunk import Chunker
from ingestd.embed.extract import cleaned, extract
from ingestd.embed.extract.formats import format_of
from ingestd.embed.extract.skip import SkipDocument
from ingestd.embed.reading.contents import WHOLE_BYTES
from ingestd.embed.reading.cut import Cutter
from ingestd.embed.reading.parts import Batch
from ingestd.embed.tokenize import WordTokenizer
from ingestd.errors import DocumentError

if TYPE_CHECKING:
    from ingestd.ports import Chunk

CHUNKER = Chunker(WordTokenizer(128))
SOURCE = Path(dataclasses.__file__).read_text(encoding="utf-8")
WORDS = ["alpha", "beta", "gamma", "문서", "조각", "ｗｉｄｅ", "delta"]
SIZE = 2 * WHOLE_BYTES


def repeated(make: str, size: int = SIZE) -> str:
    """A template filled with numbers and words until it is long enough."""
    rng = random.Random(4)
    parts: list[str] = []
    length = 0
    while length < size:
        words = " ".join(rng.choices(WORDS, k=rng.randint(5, 40)))
        parts.append(make.replace("NUMBER", str(len(parts))).replace("WORDS", words))
        length += len(parts[-1])
    return "".join(parts)


LONG = {
    b"a.csv": "id,text,place\n" + repeated('NUMBER,"WORDS\nWORDS",x\n'),
    b"a.json": '{"all": [' + repeated('{"id": NUMBER, "text": "WORDS \\uac00"},\n') + "1]}",
    b"b.json": '{"all": {' + repeated('"key NUMBER": {"text": "WORDS", "n": [1, 2]},') + '"z": 1}}',
    b"a.jsonl": repeated('{"id": NUMBER, "text": "WORDS", "more": {"a": "WORDS"}}\n'),
    b"a.yaml": "all:\n" + repeated("  key NUMBER:\n    text: WORDS\n    list:\n    - WORDS\n"),
    b"a.toml": repeated("[section.NUMBER]\ntext = 'WORDS'\nmore = 'WORDS'\n\n"),
    b"a.tex": repeated("\\section{NUMBER}\n\nWORDS % WORDS\n% WORDS\nWORDS\n\n"),
    b"a.adoc": repeated("== NUMBER WORDS\n\nWORDS\n\n----\nWORDS\n\nWORDS\n----\n\n"),
    b"a.org": repeated("** NUMBER\n\nWORDS\n#+begin_src\nWORDS\n\nWORDS\n#+end_src\n\n"),
    b"a.py": repeated(
        "class CNUMBER:\n    def f(self):\n        '''WORDS'''\n\n    x = 'WORDS'\n\n"
    ),
    b"a.c": repeated('/* WORDS */\nint fNUMBER(int a)\n{\n  return g("WORDS");\n}\n\n'),
    b"a.sql": repeated("CREATE TABLE tNUMBER (\n  a text -- WORDS\n);\n\nSELECT 'WORDS';\n\n"),
    b"a.srt": repeated("NUMBER\n00:00:01,000 --> 00:00:02,000\nWORDS\n\n"),
}


def taken(data: bytes, name: bytes, **options: int) -> list[Chunk]:
    """The chunks of a file."""
    fd = os.memfd_create("data")
    try:
        os.write(fd, data)
        parts = list(Cutter(CHUNKER, **options).cut(fd, name, len(data)))
    finally:
        os.close(fd)
    return [chunk for part in parts if isinstance(part, Batch) for chunk in part.chunks]


@pytest.mark.parametrize("name", LONG, ids=bytes.decode)
def test_long_files_are_cut_as_streams_with_exact_places(name: bytes) -> None:
    """Chunks are stretches of the extracted text, in order, and leave out white space only."""
    source = LONG[name]
    named = format_of(name)
    assert named is not None
    text = "".join(cleaned(iter([source]), named.kind))
    assert ("ｗｉｄｅ" in text) == (name in {b"a.py", b"a.c", b"a.sql"})
    chunks = taken(source.encode(), name)
    place = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert not text[place : chunk.start].strip()
        place = chunk.end
    assert not text[place:].strip()
    whole = taken(source.encode(), name, whole_bytes=len(source.encode()))
    different = {chunk.digest for chunk in chunks} ^ {chunk.digest for chunk in whole}
    assert len(different) < 0.02 * len(whole)


def rows(count: int) -> str:
    """A table."""
    rng = random.Random(1)
    return "id,name,text\n" + "".join(
        f"{rng.randrange(10**6)},name {i},{' '.join(rng.choices(WORDS, k=8))}\n"
        for i in range(count)
    )


RECORDS = repeated('{"id": NUMBER, "text": "WORDS"},\n', 60_000)
FUNCTIONS = repeated('int fNUMBER(int a)\n{\n  g("WORDS");\n  h();\n}\n\n', 60_000)
KEYS = repeated("kNUMBER:\n  text: WORDS\n  more: WORDS\n", 60_000)
EDITS = {
    b"a.py": (SOURCE, "    # One more line.\n"),
    b"a.csv": (rows(2000), "77,put in,one more row\n"),
    b"a.jsonl": (RECORDS, '{"id": "put in"}\n'),
    b"a.json": (f"[\n{RECORDS}0]\n", '{"id": "x"},\n'),
    b"a.yaml": (KEYS, "  put: in\n"),
    b"a.c": (FUNCTIONS, "  put(in);\n"),
}


@pytest.mark.parametrize("name", EDITS, ids=bytes.decode)
def test_one_line_put_in_embeds_few_chunks_anew(name: bytes) -> None:
    """Wherever the line is: the chunks that it does not touch keep their digests."""
    source, added = EDITS[name]
    lines = source.splitlines(keepends=True)
    before = {chunk.digest for chunk in taken(source.encode(), name)}
    assert len(before) > 30
    counts = []
    for share in range(1, 20):
        place = len(lines) * share // 20
        edited = "".join([*lines[:place], added, *lines[place:]])
        counts.append(len({c.digest for c in taken(edited.encode(), name)} - before))
    assert sum(counts) / len(counts) <= 2.5
    assert max(counts) <= 8


N = 200_000
HOSTILE = {
    "open brackets": "[" * N,
    "open keys": '{"a":' * (N // 5),
    "empty lists": "[]," * (N // 3),
    "open strings": '"\\"' * (N // 3) + "x",
    "apostrophes": "'\\'" * (N // 3),
    "keys": "a:\n" * (N // 3),
    "nested keys": "".join(" " * (i % 900) + "a:\n" for i in range(400)),
    "items": "- " * (N // 2),
    "comments": "/*" * (N // 2),
    "percent": "%\n" * (N // 2),
    "environments": "\\begin{verbatim}" * (N // 16),
    "sections": "\\section{" * (N // 9),
    "headlines": "* a\n" * (N // 4),
    "fences": "----\n" * (N // 5),
    "quotes": '"\n' * (N // 2),
    "one quote": '"' + "a\n" * (N // 2),
    "definitions": "def f():\n" * (N // 9),
    "nested classes": "".join(" " * (i % 300) + "class A:\n" for i in range(1000)),
    "functions": "void f() {\n" * (N // 11),
    "closers": "}\n" * (N // 2),
    "backticks": "`\n" * (N // 2),
    "calls": "f(" * (N // 2),
    "signatures": "int f(\n" * (N // 7),
    "templates": ("template <" * 39 + "\n") * (N // 390),
    "statements": "create table\n\n\n" * (N // 15),
    "times": "00:00:01,000 --> 00:00:02,000\n" * (N // 30),
    "tags": "<" * N,
    "escapes": "\\u" * (N // 2),
    "marks": "a" + "\u0300\u0323" * (N // 2),
    "one word": "x" * N,
}
NAMES = [b"a.csv", b"a.json", b"a.jsonl", b"a.yaml", b"a.toml", b"a.tex", b"a.adoc", b"a.org"]
NAMES += [b"a.py", b"a.c", b"a.sql", b"a.srt", b"a.ipynb"]


@pytest.mark.parametrize("source", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_texts_take_linear_time(source: str) -> None:
    """Whatever a file says that it is: 200 KB of anything are read in a moment."""
    for name in NAMES:
        begin = time.process_time()
        try:
            blocks = extract(source.encode(), name).blocks
        except (SkipDocument, DocumentError):
            blocks = []
        assert time.process_time() - begin < 2, name
        assert all(len(block.headings) <= 8 for block in blocks)
