"""What the libraries for archives and XML raise where a file is damaged, and how that is told."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from xml.parsers import expat

from ingestd.errors import ExtractionError

_UNPACKING = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError)
ARCHIVE = (*_UNPACKING, zipfile.LargeZipFile, ValueError, LookupError)
"""For a list of parts, or a part that is opened. The disk has errors of its own."""
PART = (*_UNPACKING, expat.ExpatError, ValueError, LookupError)
"""For a part that is read; the last two also where its encoding is a strange one."""


def of_part(name: str, error: Exception) -> ExtractionError:
    """The failure of a part."""
    what = "damaged archive" if isinstance(error, _UNPACKING) else "damaged XML"
    return ExtractionError(f"{name[:200]}: {what}: {error}")
