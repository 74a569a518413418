"""Workbooks of Excel 97 to 2003, and binary ones, by calamine: a sheet at a time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import python_calamine

from ingestd.embed.extract import numbers
from ingestd.embed.extract.archive import Archive
from ingestd.embed.extract.ole import MAGIC
from ingestd.embed.extract.sheets import sheet
from ingestd.embed.extract.skip import EncryptedError
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.bounds import Bounds
    from ingestd.embed.extract.sheets import Cells
    from ingestd.ports import Section

_PANIC = "PanicException"
"""What a fault in a library in Rust becomes, which is no `Exception`."""


def read(file: BinaryIO, bounds: Bounds) -> Iterator[Section]:
    """Yield the sheets of a workbook.

    Raises:
        EncryptedError: a password is needed.
        ExtractionError: it is damaged.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        Archive(file, bounds)  # packed: a look at what it unpacks to
    file.seek(0)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(file)
        for number, name in enumerate(book.sheet_names, 1):
            yield from sheet("", name, number, _rows(book.get_sheet_by_index(number - 1)))
    except python_calamine.PasswordError as error:
        raise EncryptedError("a password is needed") from error
    except (python_calamine.CalamineError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk, and not what is on it
            raise
        raise ExtractionError(f"damaged workbook: {error}") from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise ExtractionError(f"damaged workbook: {error}") from error


def _rows(found: Any) -> Iterator[Cells]:
    begin = (found.start or (0, 0))[1]
    for values in found.iter_rows():
        cells = [(place, _shown(value)) for place, value in enumerate(values, begin)]
        if kept := [cell for cell in cells if cell[1]]:
            yield kept


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).upper()
        case float() | int():
            return numbers.plain(value)
        case datetime():
            return numbers.moment(value)
        case date() | time() | timedelta():
            return str(value)
    return str(value)
