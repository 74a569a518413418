"""Subtitles (SRT, VTT): what is said, without numbers and times; a pause parts paragraphs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingestd.embed.extract.cleaning import clean_lines
from ingestd.embed.extract.plain import extract

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clean", "extract"]

_PAUSE_S = 2.0
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_NUMBER = re.compile(r"\s*\d{1,9}\s*$")
_NOTE = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b")
_TAG = re.compile(r"</?[^<>\n]{1,100}>|\{\\[^{}\n]{1,100}\}")


def clean(pieces: Iterator[str]) -> Iterator[str]:
    """Yield what is said, a line of each subtitle on a line of its own."""
    return clean_lines(pieces, _Said().of)


class _Said:
    """Takes what is said out of the lines."""

    def __init__(self) -> None:
        self._in_note = False
        self._after_blank = True
        self._last_s = 0.0
        self._any = False

    def of(self, line: str) -> str:
        """What a line becomes."""
        if line.isspace():
            self._in_note, self._after_blank = False, True
            return ""
        first, self._after_blank = self._after_blank, False
        if times := _TIMES.match(line):
            return self._gap(*times.groups())
        if self._in_note or (first and _NOTE.match(line)):
            self._in_note = True
            return ""
        if first and _NUMBER.match(line):
            return ""
        said = _TAG.sub("", line)
        self._any = self._any or not said.isspace()
        return "" if said.isspace() else f"{said.strip()}\n"

    def _gap(self, *times: str | None) -> str:
        """An empty line where nobody speaks for a while."""
        begin, end = _seconds(times[:4]), _seconds(times[4:])
        pause = begin - self._last_s
        self._last_s = end
        return "\n" if self._any and not 0 <= pause < _PAUSE_S else ""


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
