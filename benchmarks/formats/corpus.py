"""Makes documents of every format from Markdown, so that their words are known.

Each page is read by pandoc into a tree, pictures left out; the words of the tree are the truth.
pandoc writes the tree as text formats, DOCX, ODT, EPUB and PPTX; LibreOffice opens what pandoc
wrote and saves it in its own way. Sheets are made of the paragraphs, a row each; mails and archives
hold what pandoc wrote.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks.formats import convert, holding, tree
from benchmarks.formats.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PANDOC = {
    "md": "markdown",
    "html": "html5",
    "rst": "rst",
    "adoc": "asciidoc",
    "org": "org",
    "tex": "latex",
    "ipynb": "ipynb",
    "docx": "docx",
    "odt": "odt",
    "rtf": "rtf",
    "epub": "epub3",
    "pptx": "pptx",
}
"""What pandoc writes, by the end of the name."""
SOURCES = frozenset({"md", "rst", "adoc", "org", "tex", "ipynb"})
"""Read as they are written: the signs of emphasis, code and links stay, also within a word."""
WRITER = {
    "docx": "docx:MS Word 2007 XML",
    "odt": "odt:writer8",
    "rtf": "rtf",
    "pdf": "pdf:writer_pdf_Export",
    "epub": "epub",
    "html": "html:HTML (StarWriter)",
    "txt": "txt:Text (encoded):UTF8",
}
IMPRESS = {"pptx": "pptx:Impress MS PowerPoint 2007 XML", "odp": "odp"}
CALC = {"xlsx": "xlsx:Calc MS Excel 2007 XML", "xls": "xls:MS Excel 97", "ods": "ods"}
CSV_FILTER = "CSV:44,34,76,1"
HEADS = ("section", "kind", "text", "words")
LIBREOFFICE, OWN = "LibreOffice", "own"
BOOK = "book"
_FENCES = re.compile(r"^[ \t]*/{3,}[ \t]*", re.MULTILINE)
"""What only MkDocs knows; AsciiDoc would take it for a comment."""


class Maker:
    """Makes the documents of one language.

    Args:
        corpus: the folder that they go to.
        language: ``en`` or ``ko``.
    """

    def __init__(self, corpus: Path, language: str) -> None:
        self._corpus = corpus
        self._language = language
        self._folder = corpus / language
        self._names: list[str] = []

    def make(self, pages: Mapping[str, str], *, book: bool) -> Iterator[Item]:
        """Make everything of some Markdown pages, by name; ``book``: also of all in one."""
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "truth").mkdir(parents=True)
        documents = {name: self._parsed(text) for name, text in pages.items()}
        if book:
            documents[BOOK] = tree.whole(list(documents.values()))
        for name, document in documents.items():
            self._keep(name, document)
        yield from self._by_pandoc()
        yield from self._by_writer()
        yield from self._by_impress()
        yield from self._sheets(documents)
        yield from self._held()

    def _parsed(self, markdown: str) -> tree.Node:
        found = convert.parsed(_FENCES.sub("", markdown))
        return {**found, "meta": {}, "blocks": tree.without_pictures(found["blocks"])}

    def _keep(self, name: str, document: tree.Node) -> None:
        file = self._folder / "trees" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(document), encoding="utf-8")
        self._names.append(name)
        for suffix, mark in (("", ""), ("-marked", " ")):
            truth = tree.text(document["blocks"], mark)
            (self._folder / "truth" / f"{name}{suffix}.txt").write_text(truth, encoding="utf-8")
        slides = self._folder / "slides" / f"{name}.json"
        slides.parent.mkdir(exist_ok=True)
        slides.write_text(json.dumps(tree.slides(document)), encoding="utf-8")

    def _by_pandoc(self) -> Iterator[Item]:
        for suffix, kind in PANDOC.items():
            self._tell(f"{suffix} by pandoc")
            folder = self._folder / "pandoc" / suffix
            folder.mkdir(parents=True)
            for name in self._names:
                source = self._folder / ("slides" if suffix == "pptx" else "trees") / f"{name}.json"
                convert.written(source, folder / f"{name}.{suffix}", kind)
            truth = "-marked" if suffix in SOURCES else ""
            yield from self._items(suffix, "pandoc", sorted(folder.iterdir()), truth)

    def _by_writer(self) -> Iterator[Item]:
        opened = sorted((self._folder / "pandoc" / "docx").iterdir())
        for suffix, kind in WRITER.items():
            yield from self._saved(opened, suffix, kind, suffix)

    def _by_impress(self) -> Iterator[Item]:
        opened = sorted((self._folder / "pandoc" / "pptx").iterdir())
        for suffix, kind in IMPRESS.items():
            yield from self._saved(opened, suffix, kind, f"slides-{suffix}")

    def _sheets(self, documents: Mapping[str, tree.Node]) -> Iterator[Item]:
        """A book of cells for each page: its paragraphs, with their sections and lengths."""
        folder = self._folder / OWN / "csv"
        folder.mkdir(parents=True)
        for name, document in documents.items():
            file = folder / f"{name}.csv"
            with file.open("w", encoding="utf-8", newline="") as out:
                writer = csv.writer(out)
                writer.writerow(HEADS)
                for section, kind, text in tree.rows(document):
                    writer.writerow([section, kind, text, len(text.split())])
            shutil.copyfile(file, self._folder / "truth" / f"{name}-rows.txt")
        opened = sorted(folder.iterdir())
        yield from self._items("csv", OWN, opened, "-rows")
        for suffix, kind in CALC.items():
            yield from self._saved(opened, suffix, kind, suffix, CSV_FILTER, "-rows")

    def _held(self) -> Iterator[Item]:
        """Mails and archives, a page each."""
        for suffix, (kind, make) in holding.MAKERS.items():
            self._tell(suffix)
            folder = self._folder / OWN / suffix
            folder.mkdir(parents=True)
            try:
                for page in sorted((self._folder / "pandoc" / kind).iterdir()):
                    (folder / f"{page.stem}.{suffix}").write_bytes(make(page))
            except ImportError as error:
                self._tell(f"{suffix} is left out: {error}")
                continue
            yield from self._items(suffix, OWN, sorted(folder.iterdir()))

    def _saved(
        self,
        opened: list[Path],
        suffix: str,
        kind: str,
        folder: str,
        infilter: str = "",
        truth: str = "",
    ) -> Iterator[Item]:
        self._tell(f"{folder} by LibreOffice")
        target = self._folder / LIBREOFFICE / folder
        made = convert.saved(opened, target, kind, infilter=infilter)
        if len(made) < len(opened):
            self._tell(f"LibreOffice wrote {len(made)} of {len(opened)} files")
        yield from self._items(suffix, LIBREOFFICE, made, truth)

    def _items(
        self, suffix: str, maker: str, files: Iterable[Path], truth: str = ""
    ) -> Iterator[Item]:
        for file in files:
            known = self._folder / "truth" / f"{file.stem}{truth}.txt"
            own, text = (str(each.relative_to(self._corpus)) for each in (file, known))
            yield Item(suffix, maker, self._language, (own,), text, pages_of(file))

    def _tell(self, what: str) -> None:
        print(f"{self._language}: {what}", file=sys.stderr, flush=True)


def pages_of(file: Path) -> int:
    """How many pages a PDF has; 0 of anything else."""
    if file.suffix != ".pdf":
        return 0
    import pypdfium2  # noqa: PLC0415 - only where there is a PDF

    document = pypdfium2.PdfDocument(str(file))
    try:
        return len(document)
    finally:
        document.close()


def chosen(docs: Path, number: int) -> dict[str, str]:
    """Markdown pages of a folder, evenly from all of it: their texts, by a name for each."""
    files = sorted(docs.rglob("*.md"))
    step = max(1, len(files) // number)
    return {
        file.relative_to(docs).with_suffix("").as_posix().replace("/", "-"): file.read_text("utf-8")
        for file in files[::step][:number]
    }
