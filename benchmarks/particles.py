"""Chooses the Korean particle that fits the word before it."""

from __future__ import annotations

import re

_CHOICE = re.compile(r"(.)([^\w\s\[]*)\[(\w+)/(\w+)\]")
_FIRST, _LAST, _FINALS = "가", "힣", 28
_RIEUL = 8
"""Number of the final consonant after which ``로`` is used as after a vowel."""
_SPOKEN_WITH_FINAL = frozenset("013678lmnrLMNR")
"""Digits and Latin letters whose Korean reading ends in a consonant."""


def fit(text: str) -> str:
    """Replace each choice such as ``[은/는]`` by the form that fits what stands before it."""
    return _CHOICE.sub(_chosen, text)


def _chosen(found: re.Match[str]) -> str:
    last, marks, closed, open_ = found.groups()
    final = _final(last)
    takes_closed = final > 0 and not (closed == "으로" and final == _RIEUL)
    return f"{last}{marks}{closed if takes_closed else open_}"


def _final(letter: str) -> int:
    """Number of the final consonant of a syllable; 0: it ends in a vowel."""
    if _FIRST <= letter <= _LAST:
        return (ord(letter) - ord(_FIRST)) % _FINALS
    return 1 if letter in _SPOKEN_WITH_FINAL else 0
