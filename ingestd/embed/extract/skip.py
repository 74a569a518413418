"""Why a file has no text to take up: not an error, but a state that a person can ask for."""

from __future__ import annotations

from ingestd.embed.extract.extras import needs


class SkipDocument(Exception):  # noqa: N818 - an outcome of its own, not an error
    """The file is no document for us, and stays so until it changes.

    Attributes:
        reason: one of the short, stable reasons of the state table, such as ``binary``.
        detail: what was seen; may be empty.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        """The reason, and what was seen."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class BinaryFileError(SkipDocument):
    """The file holds no text: reason ``binary``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("binary", detail)

    def __reduce__(self) -> tuple[type[BinaryFileError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


class UndecodableError(SkipDocument):
    """The bytes look like text, but no encoding fits: reason ``undecodable``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("undecodable", detail)

    def __reduce__(self) -> tuple[type[UndecodableError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


class NoTextError(SkipDocument):
    """There is nothing but white space: reason ``no text``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("no text", detail)

    def __reduce__(self) -> tuple[type[NoTextError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


class EncryptedError(SkipDocument):
    """The file can be read with a password only: reason ``encrypted``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("encrypted", detail)

    def __reduce__(self) -> tuple[type[EncryptedError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


class UnsupportedError(SkipDocument):
    """The file is a document, but of a format that nobody here reads: reason ``unsupported``."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("unsupported", detail)

    def __reduce__(self) -> tuple[type[UnsupportedError], tuple[str]]:
        """Rebuild from the detail alone: the exception crosses a process boundary."""
        return type(self), (self.detail,)


class MissingExtraError(SkipDocument):
    """What reads such files can be installed, and is not: reason ``needs ingestd[EXTRA]``.

    Args:
        extra: the extra.
        detail: what it would read.
    """

    def __init__(self, extra: str, detail: str = "") -> None:
        super().__init__(needs(extra), detail)
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Rebuild from its arguments: the exception crosses a process boundary."""
        return type(self), (self.extra, self.detail)
