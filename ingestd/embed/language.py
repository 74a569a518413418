"""Which language a text is in, told from its beginning."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_LOOKED_AT_CHARS = 1000
_MIN_LETTERS = 12
_MIN_WIDE_LETTERS = 4
_MIN_PROBABILITY = 0.5
_HANGUL_SHARE = 0.3
_KANA_SHARE = 0.1

_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HAN = re.compile("[\u4e00-\u9fff]")


def language(text: str) -> str:
    """The ISO 639-1 code of a text's language, or "" where it cannot be told.

    Only the first thousand characters are looked at. A script that one language alone writes
    decides by its share of the letters: Korean documentation is full of Latin names.
    """
    sample = text[:_LOOKED_AT_CHARS]
    letters = len(_LETTER.findall(sample))
    kana = len(_KANA.findall(sample))
    wide = kana + len(_HANGUL.findall(sample)) + len(_HAN.findall(sample))
    if letters < _MIN_LETTERS and wide < _MIN_WIDE_LETTERS:
        return ""
    if len(_HANGUL.findall(sample)) >= _HANGUL_SHARE * letters:
        return "ko"
    if kana >= _KANA_SHARE * letters:
        return "ja"
    code, probability = _identifier().classify(sample)
    return str(code) if probability >= _MIN_PROBABILITY and len(code) == _ISO_LENGTH else ""


_ISO_LENGTH = 2


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """The identifier, loaded once: it takes its time and some megabytes."""
    from py3langid.langid import (  # noqa: PLC0415 - slow to import, not always needed
        MODEL_FILE,
        LanguageIdentifier,
    )

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
