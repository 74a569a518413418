"""Which language a text is in, told from its beginning."""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from functools import lru_cache
from typing import Any

_DISK = "/var/tmp"  # noqa: S108 - without a name; by custom on a disk, as /tmp need not be
_LOOKED_AT_CHARS = 1000
_MIN_LETTERS = 12
_MIN_WIDE_LETTERS = 4
_MIN_PROBABILITY = 0.5
_HANGUL_SHARE = 0.2
_HANGUL_BESIDE_HANJA = 0.1
_KANA_SHARE = 0.1

_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HAN = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")


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
    hangul = len(_HANGUL.findall(sample))
    if hangul >= _HANGUL_SHARE * letters:
        return "ko"
    # Korean with Hanja: no Chinese text has Hangul, and no Japanese one is without kana.
    if hangul >= _HANGUL_BESIDE_HANJA * letters and not kana and _is_wide(sample, hangul, letters):
        return "ko"
    if kana >= _KANA_SHARE * letters:
        return "ja"
    code, probability = _identifier().classify(sample)
    return str(code) if probability >= _MIN_PROBABILITY and len(code) == _ISO_LENGTH else ""


def _is_wide(sample: str, hangul: int, letters: int) -> bool:
    """Whether most letters are Hangul or Han."""
    return 2 * (hangul + len(_HAN.findall(sample))) > letters


_ISO_LENGTH = 2
_mappings: list[mmap.mmap] = []


def shrink() -> None:
    """Let go of what was read of the tables; it is read again when it is looked at."""
    for mapping in _mappings:
        mapping.madvise(mmap.MADV_DONTNEED)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """The identifier, loaded once: it takes its time and some megabytes.

    Its two large tables, 70 MB, are looked at in few places: they go to a file without a name that
    is mapped, so that only what is looked at is in memory.
    """
    import numpy as np  # noqa: PLC0415 - slow to import, not always needed
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - the same

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    try:
        table, moves = found.nb_ptc, found.tk_nextmove
        mapped = np.frombuffer(_on_disk(table.tobytes()), table.dtype).reshape(table.shape)
        found.tk_nextmove = memoryview(_on_disk(moves.tobytes())).cast("B").cast(moves.typecode)
        found.nb_ptc = mapped
        found._full_model = (mapped, *found._full_model[1:])  # noqa: SLF001 - it holds it as well
    except (OSError, AttributeError, TypeError):  # no room, or another version: it works as it is
        return found
    return found


def _on_disk(content: bytes) -> mmap.mmap:
    """Bytes that are read from the disk when they are looked at."""
    folder = _DISK if os.access(_DISK, os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(content)
        file.flush()
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mappings.append(mapping)
    return mapping
