"""What a packed document may unpack to: a small file can hold a gigabyte."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one document, whatever its format.

    Attributes:
        unpacked_bytes: bytes that its parts may have together when they are unpacked.
        unpacked_ratio: how many times its packed size that may be, past the first MiB.
        entries: how many parts there may be.
    """

    unpacked_bytes: int = 200 * MIB
    unpacked_ratio: int = 200
    entries: int = 10_000
