"""Whether a text that was decoded by a Korean encoding reads as Korean."""

from __future__ import annotations

import re

from ingestd.embed.extract.guess import is_far_from_korean

SAMPLE_BYTES = 64 * 1024

_HANGUL = re.compile("[\uac00-\ud7a3]")
_HANJA = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")
_KOREAN_MARKS = re.compile(
    "[\u3000-\u303f\u3131-\u318e\uff00-\uffef\u2010-\u203b\u2190-\u21ff\u2200-\u22ff"
    "\u2460-\u26ff\u00a1-\u00b7\u00d7\u00f7\u2100-\u218f\u3200-\u33ff]"
)
_COMMON = frozenset(
    "이다니하지에로을를시는어기스서일수가정사습용리의자파설트한합치그있음보아할없인드은제오터고문크프으면"
    "도데비모션나해대부입경선요전라미위작마디명택만화않동메우소장여바상세표개성페안들템중되버구체된식키력"
    "실값필패러행옵름주호과타록추번간적목변함십원공업환레램르내분령열웨색본조단포형려테류렉와야코게출저른"
)
"""Four of five syllables of Korean texts are one of these; by chance it would be one of 16."""
_COMMON_SHARE = 0.3
_RUN = re.compile("[\uac00-\ud7a3]{2,}")
_CP949_PAIR = re.compile(rb"[\x81-\xfe].", re.DOTALL)
_KS_X_1001_PAIR = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")


def reads_as_cp949(text: str, data: bytes, guessed: str) -> bool:
    """Whether a text reads as Korean that was decoded as cp949 from these bytes.

    Args:
        text: the text, or its beginning.
        data: the bytes that it was decoded from.
        guessed: what the encoding would be by the guess: only common syllables overrule another
            script.
    """
    if not reads_korean(text, data):
        return False
    return not is_far_from_korean(guessed) or _has_common_syllables(text)


def reads_korean(text: str, data: bytes) -> bool:
    """Whether the beginning of a text reads as Korean that was decoded as cp949 from these bytes.

    cp949 also accepts much Western and Chinese text. What gives that away: syllables outside
    KS X 1001, which are rare in Korean but what a Western quote or accent before a letter turns
    into; Hanja without Hangul; letters of other scripts.
    """
    foreign = "".join(c for c in text[:SAMPLE_BYTES] if not c.isascii())
    pairs = _CP949_PAIR.findall(data[:SAMPLE_BYTES])
    standard = sum(1 for pair in pairs if _KS_X_1001_PAIR.fullmatch(pair))
    hangul, hanja = len(_HANGUL.findall(foreign)), len(_HANJA.findall(foreign))
    marks = len(_KOREAN_MARKS.findall(foreign))
    return (
        standard >= 0.9 * len(pairs)
        and hangul + hanja + marks >= 0.95 * len(foreign)
        and hangul >= hanja
        and hangul >= 0.3 * len(foreign)
    )


def _has_common_syllables(text: str) -> bool:
    """Whether the Hangul at the beginning of a text has the syllables that Korean has most of."""
    syllables = _HANGUL.findall(text[:SAMPLE_BYTES])
    common = sum(1 for syllable in syllables if syllable in _COMMON)
    return common > 0 and common >= _COMMON_SHARE * len(syllables)


def reads_johab(text: str) -> bool:
    """Whether the beginning of a text reads as Korean that was decoded as Johab.

    Johab says each letter of a syllable, so that other encodings give syllables that nobody
    writes. Korean has almost only those of KS X 1001, and most are some of a few. They stand
    together; the accents of a Western text stand alone between its letters.
    """
    text = text[:SAMPLE_BYTES]
    foreign = "".join(c for c in text if not c.isascii())
    syllables = _HANGUL.findall(foreign)
    marks = len(_KOREAN_MARKS.findall(foreign)) + len(_HANJA.findall(foreign))
    standard = sum(1 for syllable in syllables if _is_standard(syllable))
    common = sum(1 for syllable in syllables if syllable in _COMMON)
    together = sum(len(run) for run in _RUN.findall(text))
    return (
        len(syllables) + marks >= 0.95 * len(foreign)
        and len(syllables) >= 0.5 * len(foreign)
        and standard >= 0.95 * len(syllables)
        and together >= 0.5 * len(syllables)
        and common >= _COMMON_SHARE * len(syllables)
        and common > 1
    )


def _is_standard(syllable: str) -> bool:
    """Whether KS X 1001 has a syllable; others are spelt out in eight bytes."""
    return len(syllable.encode("euc_kr")) == 2  # noqa: PLR2004 - bytes of a character
