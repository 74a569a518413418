"""Documents that are no text: which reader takes a file, and what it gives.

Each reader is a module of its own, loaded when the first file needs it, with a function
``read(file, bounds)`` that yields sections. What holds other documents is read with a nest, which
knows how deep they are opened. A plug-in takes the files whose suffixes it names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ingestd.embed.extract.bounds import Bounds, Packed
from ingestd.embed.extract.formats import MAIL, PICTURES, Format, Kind, format_of
from ingestd.embed.extract.scans import Scribe
from ingestd.embed.extract.skip import BinaryFileError, UnsupportedError
from ingestd.embed.secrets.sealed import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from ingestd.embed.extract.nest import Nest
    from ingestd.embed.extract.plugin import Plugin
    from ingestd.ports import Section

SECRET = "secret"  # noqa: S105 - a reason
HEAD_BYTES = 8 * 1024
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_MODULES = {
    "application/pdf": "pdf",
    f"{_OOXML}wordprocessingml.document": "docx",
    f"{_OOXML}spreadsheetml.sheet": "xlsx",
    f"{_OOXML}presentationml.presentation": "pptx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xls",
    f"{_ODF}text": "odf",
    f"{_ODF}spreadsheet": "odf",
    f"{_ODF}presentation": "odf",
    "application/epub+zip": "epub",
    "application/rtf": "rtf",
    "application/x-hwp": "hwp",
    "application/hwp+zip": "hwpx",
    MAIL: "eml",
    "application/vnd.ms-outlook": "msg",
    "application/zip": "zipped",
    "application/x-tar": "tarred",
    **dict.fromkeys(PICTURES, "picture"),
}
_SCANNED = frozenset({"application/pdf", *PICTURES})
"""Whose text may stand in pictures: ``read(file, scribe)``."""
_HOLDERS = frozenset({MAIL, "application/vnd.ms-outlook", "application/zip", "application/x-tar"})
"""Whose readers take what is packed in them: ``read(file, bounds, nest)``."""
_ELSE = "it is damaged, or holds something else than its name says"
_NOT_READ = {
    "application/msword": "a document of Word 97 to 2003; save it as .docx",
    "application/vnd.ms-powerpoint": "a presentation of PowerPoint 97 to 2003; save it as .pptx",
}


class Documents:
    """Recognises and reads documents.

    Args:
        bounds: of what may be unpacked.
        plugins: readers of other formats; where two name the same suffix, the first one counts.
        packed: how documents within documents are opened.
        scribe: reads pictures of text; not those in what is packed.

    Attributes:
        bounds: the same.
        packed: the same.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        plugins: Iterable[Plugin] = (),
        packed: Packed | None = None,
        scribe: Scribe | None = None,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.packed = packed or Packed()
        self._scribe = scribe or Scribe()
        self._sealed = Sealed(self.packed.sealed)
        self._plugins: dict[str, Plugin] = {}
        for plugin in plugins:
            for suffix in plugin.suffixes:
                self._plugins.setdefault(suffix, plugin)

    def named(self, name: bytes) -> Format | None:
        """The format that a name tells."""
        plugin = self._plugin(name)
        return Format(plugin.mime, Kind.PLUGIN) if plugin else format_of(name)

    def refused(self, path: str, *, guard: bool = True) -> str:
        """Why what is packed under a path is not read, by its name; empty where it is.

        Args:
            path: its path in what holds it.
            guard: whether names that hold credentials count.
        """
        if guard and self._sealed(path):
            return SECRET
        named = self.named(path.rpartition("/")[2].encode("utf-8", "replace"))
        unread = {Kind.BINARY} if self.packed.archives else {Kind.BINARY, Kind.ARCHIVE}
        return BinaryFileError().reason if named is not None and named.kind in unread else ""

    def recognised(
        self, head: bytes, view: Callable[[], BinaryIO], named: Format | None
    ) -> Format | None:
        """The document that a file is by its content; None when it is text, or nothing known.

        Args:
            head: its first bytes, 8 KiB where it has them.
            view: opens the whole of it, to be sought in.
            named: the format that its name tells.

        Raises:
            SkipDocument: nobody can read it.
        """
        if named is not None and named.kind is Kind.PLUGIN:
            return named
        is_archive = named is not None and named.kind is Kind.ARCHIVE
        if is_archive and not self.packed.archives:
            raise BinaryFileError("an archive; `extract.archives = true` opens it")
        if not is_archive and not may_be_document(head, named):
            if named is not None and named.mime in PICTURES:  # a pointer to it, mostly
                raise UnsupportedError(_ELSE)
            return None
        # Only where there is a document is what tells them apart loaded.
        from ingestd.embed.extract.recognise import recognised  # noqa: PLC0415

        found = recognised(head, view, named)
        if found is not None and found.mime in _NOT_READ:
            raise UnsupportedError(_NOT_READ[found.mime])
        if found is not None and (found.kind is Kind.DOCUMENT or is_archive):
            return found
        named_so = named is not None and named.kind is Kind.DOCUMENT and named.mime != MAIL
        if is_archive or named_so:
            raise UnsupportedError(_ELSE)
        return None

    def sections(self, found: Format, file: BinaryIO, name: bytes, nest: Nest) -> Iterator[Section]:
        """Yield the sections of a document.

        Args:
            found: what `recognised` found.
            file: the whole file.
            name: the last part of its path.
            nest: reads what is packed in it.

        Raises:
            SkipDocument: it has no text, or needs a password.
        """
        if found.kind is Kind.PLUGIN and (plugin := self._plugin(name)):
            from ingestd.embed.extract.plugged import sections  # noqa: PLC0415 - seldom needed

            return sections(plugin, file, text_of(name))
        reader = import_module(f"ingestd.embed.extract.{_MODULES[found.mime]}")
        given: Iterator[Section]
        if found.mime in _SCANNED:
            is_whole = nest.depth == self.packed.depth
            given = reader.read(file, self._scribe.begun() if is_whole else Scribe())
        elif found.mime in _HOLDERS:
            given = reader.read(file, nest.bounds, nest)
        else:
            given = reader.read(file, nest.bounds)
        return given

    def _plugin(self, name: bytes) -> Plugin | None:
        """The plug-in that a name asks for."""
        stem, dot, suffix = text_of(name).lower().rpartition(".")
        return self._plugins.get(suffix) if self._plugins and dot and stem else None


def text_of(name: bytes) -> str:
    """A name as text; bytes that are not UTF-8 are shown escaped."""
    return name.decode("utf-8", "backslashreplace")


_STARTS = (
    *(b"%PDF-", b"{\\rtf", b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"\xd0\xcf\x11\xe0"),
    b"HWP Document File V",
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF"),
)


def may_be_document(head: bytes, named: Format | None) -> bool:
    """Whether a closer look is worth it."""
    if head.startswith(_STARTS):
        return True
    if named is None or named.kind is not Kind.DOCUMENT:
        return False
    return named.mime in {MAIL, "image/bmp"} or b"%PDF-" in head
