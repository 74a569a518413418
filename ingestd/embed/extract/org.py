"""Org: headlines, and blocks, drawers and tables kept whole."""

from __future__ import annotations

import re

from ingestd.embed.extract.lines import lines
from ingestd.embed.extract.outline import MAX_TITLE_CHARS, plain_title
from ingestd.embed.extract.reader import BlockReader
from ingestd.embed.extract.segment import Carried
from ingestd.ports import Extracted

_MAX_LEVEL = 6
_HEADLINE = re.compile(
    r"(\*{1,20})[ \t]+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED|HOLD)[ \t]+)?(?:\[#\w\][ \t]+)?(?=\S)"
)
_TAGS = re.compile(r"[ \t]+:[\w@#%:]{1,200}:$")
_BEGIN = re.compile(r"[ \t]*#\+begin[_:](\S{1,40})", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:(PROPERTIES|LOGBOOK|CLOCK):\s*$", re.IGNORECASE)
_TITLE = re.compile(r"#\+title:[ \t]*(\S.*)", re.IGNORECASE)
_LINK = re.compile(r"\[\[[^\[\]]*\]\[([^\[\]]*)\]\]")


def extract(text: str) -> Extracted:
    """Extract blocks and title; without ``#+TITLE`` the title is the first headline."""
    return go_on(text, Carried())


def go_on(text: str, carried: Carried) -> Extracted:
    """Extract a segment of a longer text."""
    reader = BlockReader(text, carried.outline)
    title = ""
    for start, end in lines(text):
        line = text[start:end]
        if carried.fence:
            reader.extend(start, end)
            if line.strip().lower() == carried.fence:
                carried.fence = ""
        elif line.isspace():
            reader.close()
        elif mark := _HEADLINE.match(line):
            reader.close()
            reader.heading(start, end, min(len(mark[1]), _MAX_LEVEL), _plain(line[mark.end() :]))
        else:
            reader.extend(start, end)
            if begins := _BEGIN.match(line):
                carried.fence = f"#+end_{begins[1].lower()}"
            elif _DRAWER.match(line):
                carried.fence = ":end:"
            elif not title and (found := _TITLE.match(line)):
                title = found[1].strip()[:MAX_TITLE_CHARS]
    reader.close()
    return Extracted(text, title or reader.first, "text/x-org", reader.blocks)


def _plain(source: str) -> str:
    """A headline without its tags and links."""
    title = _TAGS.sub("", source.strip()[: 2 * MAX_TITLE_CHARS])
    return plain_title(_LINK.sub(r"\1", title))
