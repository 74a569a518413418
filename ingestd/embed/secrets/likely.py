"""Whether a string was drawn at random, or written by a person as an example."""

from __future__ import annotations

import math
import re
from collections import Counter

_PLACEHOLDER = re.compile(
    r"example|sample|dummy|placeholder|change_?me|redact|your|fake|secret|token|insert|replace|"
    r"12345|23456|abcde|bcdef|qwert|(.)\1{3}|(..)\2{3}|(...)\3{3}",
    re.IGNORECASE,
)
_LEAST_BITS = 3.0
"""Of entropy a character: hexadecimal digits at random come to 3.5 and more, words to less."""


def is_random(text: str) -> bool:
    """Whether this looks like what a machine drew, at least 16 characters long."""
    if not re.search(r"\d", text) or not re.search(r"[A-Za-z]", text):
        return False
    return not _PLACEHOLDER.search(text) and entropy(text) >= _LEAST_BITS


def is_random_letters(text: str) -> bool:
    """The same for what has no digits by its kind."""
    return not _PLACEHOLDER.search(text) and entropy(text) >= _LEAST_BITS


def entropy(text: str) -> float:
    """Bits a character, by how often each occurs in this text."""
    total = len(text)
    counts = Counter(text).values()
    return -sum(count / total * math.log2(count / total) for count in counts) if total else 0.0
