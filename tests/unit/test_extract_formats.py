"""Which format a file is, and the extractors without headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.embed.extract import (
    EXTRACTOR_VERSION,
    BinaryFileError,
    NoTextError,
    extract,
    mime_of,
)
from ingestd.embed.extract import code as code_extractor
from ingestd.embed.extract import plain as plain_extractor

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def texts(extracted: Extracted) -> list[str]:
    """Each block's text, without the newline at its end."""
    return [extracted.text[b.start : b.end].rstrip("\n") for b in extracted.blocks]


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        (b"a/b.md", "text/markdown"),
        (b"README.MDX", "text/markdown"),
        (b"x.rst", "text/x-rst"),
        (b"notes.txt", "text/plain"),
        (b"LICENSE", "text/plain"),
        (b"README", "text/plain"),
        (b"unknown.zzz", "text/plain"),
        (b"dir.md/file", "text/plain"),
        (b".gitignore", "text/plain"),
        (b"index.HTML", "text/html"),
        (b"p.xhtml", "application/xhtml+xml"),
        (b"m.py", "text/x-python"),
        (b"a.tsx", "text/typescript"),
        (b"conf.yml", "application/yaml"),
        (b"Makefile", "text/x-makefile"),
        (b"sub/Dockerfile", "text/x-dockerfile"),
        ("한글 문서.md".encode(), "text/markdown"),
        (b"\xff\xfe.md", "text/markdown"),
        (b"scan.pdf", "application/pdf"),
    ],
)
def test_mime_by_name(path: bytes, mime: str) -> None:
    """Suffix or file name tell the media type, in either case, for names of any bytes."""
    assert mime_of(path) == mime


def test_format_by_name() -> None:
    """The name chooses the extractor."""
    assert extract(b"# A\n", b"a.md").title == "A"
    assert extract(b"A\n===\n", b"a.rst").title == "A"
    assert extract(b"<title>A</title><p>x", b"a.htm").title == "A"
    assert extract(b"# A\n", b"a.txt").title == ""
    assert extract(b"# A\n", b"a.py").mime == "text/x-python"


def test_unnamed_text_is_sniffed() -> None:
    """Without a known suffix a page is a page, a script a script, all else plain."""
    assert extract(b"\n<!DOCTYPE html><p>x", b"page").mime == "text/html"
    assert extract(b"#!/bin/sh\necho\n", b"run").mime == "text/x-script"
    assert extract("그냥 글".encode("cp949"), b"memo").text == "그냥 글"


def test_known_binaries_are_refused_unread() -> None:
    """A binary suffix is enough."""
    with pytest.raises(BinaryFileError):
        extract(b"plain text", b"x.png")


@pytest.mark.parametrize(
    ("data", "path"),
    [(b"", b"a.md"), (b" \n\t\n", b"a.txt"), (b"<p> </p><script>x</script>", b"a.html")],
)
def test_blank_files_have_no_text(data: bytes, path: bytes) -> None:
    """Nothing but white space is a state of its own."""
    with pytest.raises(NoTextError) as caught:
        extract(data, path)
    assert caught.value.reason == "no text"


def test_declared_charset_of_a_page() -> None:
    """A page's own charset declaration is honoured."""
    page = '<meta charset="shift_jis"><p>日本語の文章</p>'
    assert extract(page.encode("shift_jis"), b"a.html").text == "日本語の文章"


def test_version_is_a_number() -> None:
    """The pipeline version takes the extractor's version in."""
    assert EXTRACTOR_VERSION >= 1


def test_plain_paragraphs() -> None:
    """Blank lines part the blocks; there is no title."""
    found = plain_extractor.extract("\n하나\n둘\n \n\nthree")
    assert texts(found) == ["하나\n둘", "three"]
    assert found.title == ""


def test_code_blocks_are_definitions() -> None:
    """A block begins at the left margin after a blank line, and keeps its inner blank lines."""
    source = (
        "import os\n\n\n# About f.\n@cache\ndef f():\n    a = 1\n\n    return a\n\n\n"
        "class C:\n\n    x = 1\n\n\ny = (\n    1,\n\n)\n"
    )
    assert texts(code_extractor.extract(source)) == [
        "import os",
        "# About f.\n@cache\ndef f():\n    a = 1\n\n    return a",
        "class C:\n\n    x = 1",
        "y = (\n    1,\n\n)",
    ]


def test_braces_close_what_they_belong_to() -> None:
    """A closing brace at the left margin begins no block."""
    source = "void f() {\n\n  g();\n\n}\n\nint x;\n"
    assert texts(code_extractor.extract(source)) == ["void f() {\n\n  g();\n\n}", "int x;"]
