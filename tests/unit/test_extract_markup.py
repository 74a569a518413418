"""LaTeX, AsciiDoc, Org and subtitles to blocks."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.extract import extract

if TYPE_CHECKING:
    from ingestd.ports import Extracted


def read(name: bytes, source: str) -> Extracted:
    """The source, extracted."""
    return extract(dedent(source).encode(), name)


def blocks(found: Extracted) -> list[tuple[str, str]]:
    """The text of each block and its heading path."""
    return [(found.text[b.start : b.end].strip(), "/".join(b.headings)) for b in found.blocks]


def test_latex_sections_and_comments() -> None:
    """Sections are headings without their commands; comments are left out."""
    found = read(
        b"a.tex",
        r"""
        % A comment.
        \documentclass{article} % why
        \title{The \emph{Book} of~X}
        \begin{document}

        \section[short]{서론 \label{sec:a} \textbf{및} 배경}

        Text with 10\% and a line
        % between
        that goes on.

        \begin{comment}
        left out
        \end{comment}

        \subsection*{A $x$}
        \begin{verbatim}
        % kept

        \section{no}
        \end{verbatim}
        See \url{http://a/%20b}.
        \end{document}
        """,
    )
    assert found.title == "The Book of X"
    assert blocks(found) == [
        (
            "\\documentclass{article} \n\\title{The \\emph{Book} of~X}\n\\begin{document}",
            "",
        ),
        ("\\section[short]{서론 \\label{sec:a} \\textbf{및} 배경}", "서론 및 배경"),
        ("Text with 10\\% and a line\nthat goes on.", "서론 및 배경"),
        ("\\subsection*{A $x$}", "서론 및 배경/A x"),
        (
            (
                "\\begin{verbatim}\n% kept\n\n\\section{no}\n\\end{verbatim}\n"
                "See \\url{http://a/%20b}.\n\\end{document}"
            ),
            "서론 및 배경/A x",
        ),
    ]


def test_asciidoc() -> None:
    """Titles of both kinds; listings and tables are whole; comments are left out."""
    found = read(
        b"a.adoc",
        """
        = 안내서
        :toc:

        // a comment
        == First *part*

        Text.

        [source,python]
        ----
        // no comment

        == no title
        ----

        ////
        left out

        == so is this
        ////

        .Table
        |===
        |a |b

        |1 |2
        |===

        Old title
        ---------

        === Deep ===
        End.
        """,
    )
    assert found.title == "안내서"
    assert blocks(found) == [
        ("= 안내서", "안내서"),
        (":toc:", "안내서"),
        ("== First *part*", "안내서/First part"),
        ("Text.", "안내서/First part"),
        ("[source,python]\n----\n// no comment\n\n== no title\n----", "안내서/First part"),
        (".Table\n|===\n|a |b\n\n|1 |2\n|===", "안내서/First part"),
        ("Old title\n---------", "안내서/Old title"),
        ("=== Deep ===", "안내서/Old title/Deep"),
        ("End.", "안내서/Old title/Deep"),
    ]


def test_org() -> None:
    """Headlines without marks and tags; blocks and drawers are whole."""
    found = read(
        b"a.org",
        """
        #+TITLE: 노트
        Intro.

        * TODO [#A] Plan [[https://x.y][the site]]   :work:home:
        :PROPERTIES:
        :ID: 1

        :END:
        ** Code

        #+BEGIN_SRC python
        * no headline

        x = 1
        #+end_src
        | a | b |
        |---+---|
        """,
    )
    assert found.title == "노트"
    assert blocks(found) == [
        ("#+TITLE: 노트\nIntro.", ""),
        ("* TODO [#A] Plan [[https://x.y][the site]]   :work:home:", "Plan the site"),
        (":PROPERTIES:\n:ID: 1\n\n:END:", "Plan the site"),
        ("** Code", "Plan the site/Code"),
        (
            "#+BEGIN_SRC python\n* no headline\n\nx = 1\n#+end_src\n| a | b |\n|---+---|",
            "Plan the site/Code",
        ),
    ]


def test_an_asterisk_alone_is_no_headline() -> None:
    """Bold text and lists are text."""
    assert not any(block.heading for block in read(b"a.org", "*bold* text\n - item\n").blocks)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            b"a.srt",
            (
                "1\n00:00:01,000 --> 00:00:02,000\n<i>안녕하세요.</i>\n둘째 줄\n\n"
                "2\n00:00:02,500 --> 00:00:03,000\n{\\an8}3\n\n"
                "3\n00:01:00,000 --> 00:01:01,000\nLater.\n"
            ),
        ),
        (
            b"a.vtt",
            (
                "WEBVTT\nKind: captions\n\nNOTE\na note\n\nSTYLE\n::cue {}\n\n"
                "00:01.000 --> 00:02.000 align:start\n안녕하세요.\n둘째 줄\n\n"
                "00:02.500 --> 00:03.000\n<c.x>3</c>\n\n1:00.000 --> 1:01.000\nLater.\n"
            ),
        ),
    ],
)
def test_subtitles_are_what_is_said(name: bytes, source: str) -> None:
    """Numbers, times, notes and tags are left out; a pause begins a paragraph."""
    found = extract(source.encode(), name)
    assert found.text == "안녕하세요.\n둘째 줄\n3\n\nLater.\n"
    assert len(found.blocks) == 2
