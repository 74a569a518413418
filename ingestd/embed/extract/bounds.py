"""What a packed document may unpack to: a small file can hold a gigabyte."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingestd.errors import ExtractionError

MIB = 1024 * 1024


class OverrunError(ExtractionError):
    """A file would unpack to more than its bounds allow."""


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

    def allow(self, parts: int, unpacked: int, packed: int) -> None:
        """See that so many parts may be unpacked.

        Args:
            parts: how many there are.
            unpacked: their bytes when they are unpacked.
            packed: their bytes as they are.

        Raises:
            OverrunError: it is too much.
        """
        if parts > self.entries:
            raise OverrunError(
                f"{parts:,} parts are packed in it; `extract.entries` allows {self.entries:,}"
            )
        if unpacked > self.unpacked_bytes:
            raise OverrunError(
                f"it unpacks to {unpacked // MIB:,} MiB; `extract.unpacked_bytes` allows "
                f"{self.unpacked_bytes // MIB:,} MiB"
            )
        if unpacked > MIB and unpacked > packed * self.unpacked_ratio:
            raise OverrunError(
                f"it unpacks to {unpacked // max(packed, 1):,} times its size; "
                f"`extract.unpacked_ratio` allows {self.unpacked_ratio:,}"
            )


@dataclass(frozen=True, slots=True)
class Packed:
    """How documents within documents are opened.

    Attributes:
        archives: whether archives of files are.
        depth: how many levels down.
        sealed: patterns of names that hold credentials; see `ingestd.embed.secrets.sealed`.
    """

    archives: bool = False
    depth: int = 4
    sealed: tuple[str, ...] = ()


@dataclass(slots=True)
class Spent:
    """What was unpacked of a file so far, at all depths."""

    parts: int = 0
    unpacked: int = 0


@dataclass(frozen=True, slots=True)
class Shared(Bounds):
    """The bounds of a file and of all that is packed in it: what one part takes, others lack.

    Attributes:
        size: bytes of the file.
        spent: what was taken so far.
    """

    size: int = 0
    spent: Spent = field(default_factory=Spent)

    @classmethod
    def of(cls, bounds: Bounds, size: int) -> Shared:
        """The bounds of a file of this size."""
        return cls(bounds.unpacked_bytes, bounds.unpacked_ratio, bounds.entries, size)

    def allow(self, parts: int, unpacked: int, packed: int) -> None:
        """See that so many parts may be unpacked, and count them."""
        Bounds.allow(self, parts, unpacked, packed)
        self.spend(parts, unpacked)

    def spend(self, parts: int, unpacked: int = 0) -> None:
        """Count what is unpacked next; what is refused is not counted.

        Raises:
            OverrunError: it is too much.
        """
        spent = self.spent
        Bounds.allow(self, spent.parts + parts, spent.unpacked + unpacked, self.size)
        spent.parts += parts
        spent.unpacked += unpacked
