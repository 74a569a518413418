"""Notebooks, tables, subtitles and markup: what their readers look at closely."""

from __future__ import annotations

import json

from kinds import DEAD, INDEXED, SKIPPED, Hostile, data

DEEP = 100_000


def _notebook(*cells: object, **more: object) -> bytes:
    return json.dumps({"cells": cells, "nbformat": 4, **more}).encode()


def _cell(source: object, kind: object = "markdown", **more: object) -> dict[str, object]:
    return {"cell_type": kind, "source": source, **more}


_PICTURE = {"output_type": "display_data", "data": {"image/png": "A" * 3_000_000}}
_LONG = {"output_type": "stream", "text": ["x" * 80 + "\n"] * 20_000}
_STRANGE = [{"output_type": [], "data": {"text/plain": {"a": 1}}}, 7, {"ename": {}}]
_TIME = "00:00:01,000 --> 00:00:02,000\n"

ENTRIES = [
    Hostile(
        b"closed.ipynb",
        data('{"cells":' + "[" * DEEP + "]" * DEEP + "}"),
        f"{DEAD}: no notebook",
        "a notebook, 100,000 deep",
    ),
    Hostile(
        b"pieces.ipynb",
        data(_notebook(_cell(["word "] * 300_000))),
        INDEXED,
        "a cell of 300,000 parts",
    ),
    Hostile(
        b"many.ipynb", data(_notebook(*[_cell("x")] * 50_000)), INDEXED, "50,000 cells", heavy=True
    ),
    Hostile(
        b"outputs.ipynb",
        data(_notebook(_cell("x", "code", outputs=[_PICTURE, _LONG, *_STRANGE]))),
        INDEXED,
        "outputs that are large, or none",
    ),
    Hostile(
        b"level.ipynb",
        data(_notebook(_cell("kept", "heading", level=-(10**9)), _cell("x", "heading", level=1.5))),
        INDEXED,
        "a heading of a negative level",
    ),
    Hostile(
        b"digits.ipynb",
        data(b'{"cells": [], "nbformat": ' + b"9" * 100_000 + b"}"),
        f"{DEAD}: no notebook",
        "a number of 100,000 digits",
    ),
    Hostile(
        b"surrogates.ipynb",
        data(_notebook(_cell("a\ud800b\0c\udfff"))),
        INDEXED,
        "halves of letters",
    ),
    Hostile(b"cells-object.ipynb", data(b'{"cells": {"a": 1}}'), f"{SKIPPED}: no text", "no list"),
    Hostile(b"escapes.json", data('{"a": "' + "\\ud83d" * 100_000 + '"}'), INDEXED, "half escapes"),
    Hostile(b"backslashes.json", data('{"a": "' + "\\" * 300_001), INDEXED, "300,001 backslashes"),
    Hostile(b"comments.json", data("/*" * 150_000), INDEXED, "comments that never end"),
    Hostile(
        b"keys.json", data(json.dumps({f"k{n}": n for n in range(50_000)})), INDEXED, "50,000 keys"
    ),
    Hostile(
        b"tagged.yaml", data("".join(f"k{n}: !!binary x\n" for n in range(9_999))), INDEXED, "tags"
    ),
    Hostile(b"tabs.yaml", data("\t" * 200_000 + "a: b\n"), INDEXED, "tabulators"),
    Hostile(b"anchors.yaml", data("a: &a\n  <<: *a\n" * 9_999), INDEXED, "keys in themselves"),
    Hostile(b"strings.toml", data("a = '''\n" * 20_001), INDEXED, "strings that never end"),
    Hostile(b"headers.toml", data("[" + "a." * DEEP + "b]\nc = 1\n"), INDEXED, "a long header"),
    Hostile(b"escapes.properties", data("a = " + "\\u" * DEEP), INDEXED, "escapes that are none"),
    Hostile(b"rows.csv", data('a,"\n' * 50_000), INDEXED, "rows that begin a quotation"),
    Hostile(b"delimiters.csv", data(",;\t|" * 50_000), INDEXED, "nothing but delimiters"),
    Hostile(b"cell.csv", data('a,b\n"' + "x" * 5_000_000 + '",1\n'), INDEXED, "a cell of 5 MB"),
    Hostile(b"times.srt", data(f"1\n{_TIME}" * 20_000), INDEXED, "numbers and times alone"),
    Hostile(
        b"arrow.srt",
        data("99:99:99,999 --> " * 20_000 + "x"),
        f"{SKIPPED}: no text",
        "times that are none",
    ),
    Hostile(b"tags.vtt", data("WEBVTT\n\n" + "<" * 200_000 + "words"), INDEXED, "open brackets"),
    Hostile(b"note.vtt", data("WEBVTT\n\nNOTE " + "x\n" * 90_000), f"{SKIPPED}: no text", "a note"),
    Hostile(b"begin.tex", data("\\begin{a}" * 50_000 + "words"), INDEXED, "50,000 environments"),
    Hostile(b"define.tex", data("\\def\\a{\\a\\a}\\a words"), INDEXED, "a macro of itself"),
    Hostile(b"math.tex", data("$" * 200_001 + "x"), INDEXED, "formulas that never end"),
    Hostile(b"verbatim.tex", data("\\begin{verbatim}" * 20_000), INDEXED, "never closed"),
    Hostile(b"blocks.adoc", data("----\n" * 50_001 + "words"), INDEXED, "blocks that never end"),
    Hostile(b"macros.adoc", data("link:" * 50_000 + "[[" * 50_000), INDEXED, "macros never closed"),
    Hostile(b"drawers.org", data(":PROPERTIES:\n" * 50_000 + "words\n"), INDEXED, "open drawers"),
    Hostile(b"links.org", data("[[" * 100_000 + "a"), INDEXED, "links that are never closed"),
    Hostile(b"braces.js", data("{" * DEEP + "\n" + "}" * DEEP), INDEXED, "100,000 braces"),
    Hostile(b"strings.js", data("`${" * DEEP), INDEXED, "strings in strings"),
    Hostile(b"regex.js", data("/[" * DEEP), INDEXED, "patterns that are never closed"),
    Hostile(b"comments.c", data("/*" * DEEP + "//\\\n" * 9_999), INDEXED, "comments in comments"),
    Hostile(
        b"heredoc.sh", data("".join(f"cat <<E{n}\n" for n in range(9_999))), INDEXED, "heredocs"
    ),
    Hostile(b"dollars.sql", data("$a$ $b$ " * 50_000), INDEXED, "quotes of two kinds"),
    Hostile(b"nested.sql", data("(" * DEEP + "SELECT 1"), INDEXED, "questions in questions"),
    Hostile(b"quotes.py", data("'''" * 50_001 + "\nx = 1\n"), INDEXED, "strings that never end"),
    Hostile(
        b"deep-classes.py",
        data("".join(" " * n + f"class A{n}:\n" for n in range(900))),
        INDEXED,
        "classes in classes",
    ),
]
