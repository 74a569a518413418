"""Texts to compare engines on, and to measure them with: no document is needed, nor read."""

from __future__ import annotations

import random
from itertools import pairwise

_ENGLISH = "The daemon watches folders, cuts each document into chunks, and embeds what changed. "
_KOREAN = "파일이 바뀌면 문서를 다시 읽어 조각으로 나누고, 바뀐 조각만 새로 임베딩합니다. "
CHECK_TEXTS = (
    "",
    "a",
    "Hello, World!",
    "안녕하세요",
    "def f(x: int) -> int:\n    return x * 2  # 42",
    "MIXED case, ÜMLAUTS, 数字 123, emoji 🙂 and\ttabs",
    _ENGLISH,
    _KOREAN,
    _ENGLISH * 8,
    _KOREAN * 3,
    _ENGLISH * 60,
    _KOREAN * 60,
)
"""Odd ones, and one for each extreme of length."""

_TEXT = """
about above after again answer before behind better between bottle branch bridge build carry
change city clear client close cloud common count cover daily default depend detail document
double early engine error every example explain family field file find first flow follow forest
function garden general given green group handle harbour header history house http import index
inside island join journey json kernel kitchen large later letter level light limit list local
machine market member memory message minute model morning mountain music name narrow never night
north number object often open order other paper parse path people place planet point power
present question quiet rain range read record remote request result return river road route
sample school season second server several simple small snow south space start state stone story
street string summer system table text thread through ticket token travel tree under update user
value version village visit wait water weather west when while winter within without word work
world write yellow young
"""
_WORDS = tuple(_TEXT.split())
_SYLLABLES = "가나다라마바사아자차카타파하고노도로모보소오조초코토포호기니디리미비시이지치"


def varied(number: int, longest: int) -> list[str]:
    """Make texts of lengths spread evenly up to the longest input, the same ones each time.

    Args:
        number: how many.
        longest: tokens of the longest, about.
    """
    rng = random.Random(number)  # noqa: S311  # texts, not secrets
    return [_text(rng, longest * at // number, at) for at in range(1, number + 1)]


def _text(rng: random.Random, tokens: int, at: int) -> str:
    if at % 8 == 0:  # a syllable is about a token
        letters = "".join(rng.choice(_SYLLABLES) for _ in range(tokens))
        return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))
    words = [rng.choice(_WORDS) for _ in range(tokens)]
    if at % 8 == 1:
        return "\n".join(f"{name} = {value}({at})" for name, value in pairwise(words))[: 4 * tokens]
    return " ".join(words).capitalize() + "."
