"""Rich text as Outlook compresses it (LZFu, MS-OXRTFCP): a window of 4 KiB that begins full."""

from __future__ import annotations

import struct

from ingestd.errors import ExtractionError

_HEADER = struct.Struct("<IIII")
_COMPRESSED = 0x75465A4C
_PLAIN = 0x414C454D
_WINDOW = 4096
_BEGIN = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpacked(data: bytes) -> bytes:
    """What was compressed: at most some eight times as much.

    Raises:
        ExtractionError: it is no such text.
    """
    if len(data) < _HEADER.size:
        raise ExtractionError("damaged rich text: it is cut off")
    _, length, mark, _ = _HEADER.unpack_from(data)
    if mark == _PLAIN:
        return data[_HEADER.size : _HEADER.size + length]
    if mark != _COMPRESSED:
        raise ExtractionError("damaged rich text: it is compressed in no way that is known")
    return bytes(_unpacked(data))


def _unpacked(data: bytes) -> bytearray:
    window = bytearray(_BEGIN.ljust(_WINDOW, b" "))
    at = len(_BEGIN)
    out = bytearray()
    place, end = _HEADER.size, len(data)
    while place < end:
        control, place = data[place], place + 1
        for bit in range(8):
            if control >> bit & 1:
                if place + 2 > end:
                    return out
                token = data[place] << 8 | data[place + 1]
                place += 2
                start, count = token >> 4, (token & 15) + 2
                if start == at:  # the end
                    return out
                for step in range(count):
                    byte = window[(start + step) % _WINDOW]
                    out.append(byte)
                    window[at] = byte
                    at = (at + 1) % _WINDOW
            elif place < end:
                out.append(data[place])
                window[at] = data[place]
                at, place = (at + 1) % _WINDOW, place + 1
    return out
