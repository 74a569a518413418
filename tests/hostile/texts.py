"""Text formats that nest without end, lie about themselves, or are one line of 50 MB."""

from __future__ import annotations

import random
from itertools import chain

from kinds import DEAD, INDEXED, SKIPPED, Hostile, data, repeated

DEEP = 100_000
_RNG = random.Random(6)
_NOISE = _RNG.randbytes(200_000)
_LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 11))
    + "]><x>&a10;</x>"
)
_QUADRATIC = f'<!DOCTYPE x [<!ENTITY a "{"B" * 50_000}">]><x>{"&a;" * 50_000}</x>'
_YAML_LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


def _nested(opening: str, closing: str = "", times: int = DEEP, inner: str = "deep") -> bytes:
    return (opening * times + inner + closing * times).encode()


ENTRIES = [
    Hostile(b"deep.json", data(_nested("[", "]", inner="1")), INDEXED, "JSON, 100,000 deep"),
    Hostile(
        b"deep-objects.json", data(_nested('{"a":', "}", inner="1")), INDEXED, "the same, objects"
    ),
    Hostile(b"deep-open.json", data("[" * DEEP), INDEXED, "JSON that is never closed"),
    Hostile(
        b"deep.jsonl", data(_nested("[", "]", 5_000, "1") + b"\n{}\n" * 50), INDEXED, "JSON lines"
    ),
    Hostile(b"deep.html", data(_nested("<div>", "</div>")), INDEXED, "HTML, 100,000 deep"),
    Hostile(
        b"deep-tables.html", data("<table><tr><td>" * 20_000 + "deep"), INDEXED, "tables in tables"
    ),
    Hostile(b"deep-quote.md", data("> " * DEEP + "deep\n"), INDEXED, "quotes in quotes"),
    Hostile(
        b"deep-list.md",
        data("".join("  " * n + "- x\n" for n in range(800))),
        INDEXED,
        "a list 800 deep",
    ),
    Hostile(
        b"brackets.md", data("[" * DEEP + "](x)" * 100), INDEXED, "links that are never closed"
    ),
    Hostile(b"emphasis.md", data("*_" * DEEP + "a"), INDEXED, "emphasis that is never closed"),
    Hostile(
        b"backticks.md", data("".join("`" * n + "x" for n in range(400))), INDEXED, "code spans"
    ),
    Hostile(b"headings.md", data("# a\n" * 50_000), INDEXED, "nothing but headings", heavy=True),
    Hostile(b"few-headings.md", data("# a\n" * 2_000), INDEXED, "nothing but headings"),
    Hostile(b"deep.yaml", data(_nested("[", "]")), INDEXED, "YAML, 100,000 deep"),
    Hostile(
        b"indented.yaml",
        data("".join(" " * n + "a:\n" for n in range(700))),
        INDEXED,
        "YAML, indented ever more",
    ),
    Hostile(b"laughs.yaml", data(_YAML_LAUGHS), INDEXED, "billion laughs by aliases"),
    Hostile(
        b"python.yaml",
        data("!!python/object/apply:os.system ['touch /tmp/pwned']\n"),
        INDEXED,
        "tag",
    ),
    Hostile(b"deep.toml", data("a = " + "[" * DEEP + "]" * DEEP), INDEXED, "TOML, 100,000 deep"),
    Hostile(b"dotted.toml", data("a." * DEEP + "b = 1\n"), INDEXED, "a key of 100,000 parts"),
    Hostile(b"deep.xml", data(_nested("<a>", "</a>")), INDEXED, "XML, 100,000 deep"),
    Hostile(b"laughs.xml", data(_LAUGHS), INDEXED, "billion laughs"),
    Hostile(b"quadratic.xml", data(_QUADRATIC), INDEXED, "one entity, 50,000 times"),
    Hostile(
        b"xxe.xml",
        data('<!DOCTYPE x [<!ENTITY s SYSTEM "file:///etc/passwd">]><x>&s;</x>'),
        INDEXED,
        "an entity that names a file",
    ),
    Hostile(
        b"attributes.html",
        data("<p " + " ".join(f"a{n}=1" for n in range(200_000)) + ">x</p>"),
        INDEXED,
        "200,000 attributes",
    ),
    Hostile(b"tags.html", data("<" * 200_000), INDEXED, "nothing but opening brackets"),
    Hostile(
        b"comment.html", data("<!--" * 200_000), f"{SKIPPED}: no text", "a comment that never ends"
    ),
    Hostile(
        b"entities.html", data("&" * 200_000 + "&#99999999999;" * 1_000), INDEXED, "wrong entities"
    ),
    Hostile(b"marked.html", data("<![CDATA[" * 100_000), f"{SKIPPED}: no text", "marked sections"),
    Hostile(
        b"deep.rst", data("".join(" " * n + "* a\n\n" for n in range(1_000))), INDEXED, "lists"
    ),
    Hostile(b"underlines.rst", data("a\n=\n" * 10_000), INDEXED, "nothing but headings"),
    Hostile(b"include.rst", data(".. include:: /etc/passwd\n\ntext\n"), INDEXED, "an include"),
    Hostile(b"deep.tex", data("{" * DEEP + "x" + "}" * DEEP), INDEXED, "braces"),
    Hostile(b"input.tex", data("\\input{/etc/passwd} text\n"), INDEXED, "an input"),
    Hostile(b"deep.py", data("(" * DEEP + ")" * DEEP), INDEXED, "brackets in source code"),
    Hostile(
        b"deep-if.py", data("".join(" " * n + "if x:\n" for n in range(1_000))), INDEXED, "blocks"
    ),
    Hostile(b"quine.py", data("s='s=%r;print(s%%s)';print(s%s)\n"), INDEXED, "a quine"),
    Hostile(
        b"deep.ipynb",
        data('{"cells":' + "[" * DEEP),
        f"{DEAD}: no notebook",
        "a notebook that is never closed",
    ),
    Hostile(
        b"cells.ipynb",
        data('{"cells": [{"cell_type": 7, "source": {"a": 1}}]}'),
        f"{SKIPPED}: no text",
        "types",
    ),
    Hostile(b"quotes.csv", data('"' * 300_000), INDEXED, "quotes that are never closed"),
    Hostile(b"columns.csv", data("a," * 300_000 + "\n1\n"), INDEXED, "300,000 columns"),
    Hostile(
        b"deep.org", data("".join("*" * n + " a\n" for n in range(1, 500))), INDEXED, "headings"
    ),
    Hostile(b"include.adoc", data("include::/etc/passwd[]\n\ntext\n"), INDEXED, "an include"),
    Hostile(
        b"deep.eml",
        data(
            "Subject: x\n"
            + "".join(
                f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(3_000)
            )
            + "Content-Type: text/plain\n\nhi\n"
        ),
        INDEXED,
        "mail in mail, 3,000 deep",
    ),
    Hostile(
        b"groups.rtf",
        data(b"{\\rtf1" + b"{" * DEEP + b"x"),
        f"{DEAD}: .*nested deeper",
        "groups, 100,000 deep",
    ),
    Hostile(
        b"bin.rtf",
        data(b"{\\rtf1 \\bin999999999 x}"),
        f"{SKIPPED}: no text",
        "binary data that is not there",
    ),
    Hostile(b"line.txt", repeated("word ", 10_000_000), INDEXED, "one line of 50 MB", heavy=True),
    Hostile(b"unbroken.txt", repeated("x", 8_000_000), INDEXED, "one word of 8 MB", heavy=True),
    Hostile(b"newlines.txt", repeated("\n", 2_000_000), f"{SKIPPED}: no text", "empty lines"),
    Hostile(b"marks.txt", data("a" + "\u0301" * 200_000), INDEXED, "200,000 marks on one letter"),
    Hostile(
        b"bidi.txt", data("\u202e\u2066" * 20_000 + "evil"), INDEXED, "text that runs backwards"
    ),
    Hostile(b"bytes.txt", data(bytes(range(256)) * 400), f"{SKIPPED}: binary", "all byte values"),
    Hostile(b"nul.txt", data(b"text\0text" * 100), f"{SKIPPED}: binary", "NULs"),
    Hostile(b"late-nul.txt", data(b"text " * 20_000 + b"\0" * 50), INDEXED, "NULs far behind"),
    Hostile(b"noise.txt", data(_NOISE), f"{SKIPPED}: (binary|undecodable)", "noise"),
    Hostile(b"noise.md", data(_NOISE[::-1]), f"{SKIPPED}: (binary|undecodable)", "noise"),
    Hostile(b"noise", data(_NOISE[:9_999]), f"{SKIPPED}: (binary|undecodable)", "no suffix"),
    Hostile(b"utf16.txt", data("한글 words\n".encode("utf-16") * 2_000), INDEXED, "UTF-16"),
    Hostile(
        b"utf16-odd.txt",
        data("words\n".encode("utf-16") * 99 + b"x"),
        f"{SKIPPED}: binary",
        "half a unit",
    ),
    Hostile(b"utf32.txt", data("words and words\n".encode("utf-32") * 99), INDEXED, "UTF-32"),
    Hostile(
        b"surrogates.txt",
        data(b"\xed\xa0\x80\xed\xb0\x80 text " * 99),
        f"{SKIPPED}: undecodable",
        "surrogates",
    ),
    Hostile(b"torn.txt", data("한글".encode()[:-1] * 999), INDEXED, "torn characters"),
    Hostile(b"overlong.txt", data(b"\xc0\xaf\xc0\xae text " * 99), INDEXED, "overlong UTF-8"),
    Hostile(
        b"lie.html",
        data(b'<meta charset="utf-7">' + b"+ADw-script+AD4- text" * 9),
        INDEXED,
        "an encoding that must not be believed",
    ),
    Hostile(
        b"codec.html", data(b'<meta charset="zlib"><p>\xff\xfe text'), INDEXED, "a codec of bytes"
    ),
    Hostile(b"empty.md", data(b""), f"{SKIPPED}: no text", "empty"),
    Hostile(b"white.md", data(" \t\u3000\n" * 999), f"{SKIPPED}: no text", "white space"),
    Hostile(b"aaa.md", data("a*" * 60_000), INDEXED, "what makes patterns backtrack"),
    Hostile(
        b"regex.txt",
        data(
            "".join(
                chain.from_iterable(("ghp_", "-----BEGIN PRIVATE KEY-----\n") for _ in range(3_000))
            )
        ),
        INDEXED,
        "what makes the search for secrets work",
    ),
    Hostile(
        b"key.pem", data("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"), f"{SKIPPED}: secret", "key"
    ),
]
