"""Makes the few documents that are kept in ``tests/corpus/office``: one page in each language."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.formats import items
from benchmarks.formats.corpus import LIBREOFFICE, Maker

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "tutorial/debugging.md"
"""A page with headings, lists, links and code."""
KEPT = {
    "en": {("odt", "pandoc"), ("epub", "pandoc"), ("rtf", "pandoc")},
    "ko": {
        ("pptx", "pandoc"),
        *(
            (suffix, LIBREOFFICE)
            for suffix in ("docx", "odt", "pdf", "epub", "odp", "xlsx", "xls", "ods")
        ),
    },
}
"""What is kept, by language: every format, and small enough for the repository."""


def make(docs: Path, target: Path) -> None:
    """Write the samples and their list.

    Args:
        docs: has a folder of Markdown for each language.
        target: is made anew.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        kept = [item for language in KEPT for item in _of(language, docs, work, target)]
    items.save(kept, target)


def _of(language: str, docs: Path, work: Path, target: Path) -> Iterator[items.Item]:
    text = (docs / language / PAGE).read_text(encoding="utf-8")
    name = Path(PAGE).stem
    for item in Maker(work, language).make({name: text}, book=False):
        if item.group not in KEPT[language]:
            continue
        file = f"{name}-{language}-{item.maker.lower()}.{item.format}"
        truth = f"{Path(item.truth).stem}-{language}.txt"
        shutil.copyfile(work / item.files[0], target / file)
        shutil.copyfile(work / item.truth, target / truth)
        yield items.Item(item.format, item.maker, language, (file,), truth, item.pages)
