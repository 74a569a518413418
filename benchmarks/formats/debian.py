"""Real documents out of Debian's packages, with a text of the same document as the truth.

The truth is the text that the package itself holds of the document, made from the same source by
other programs. Where there is none, it is what others read of the same file: ``pdftotext`` of a
PDF, pandoc of a page. So it is in Korean, whose texts in the package are broken within words.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.formats.corpus import pages_of
from benchmarks.formats.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DOC = "usr/share/doc"
_GUIDE = f"{_DOC}/installation-guide-amd64"
_REFERENCE = "usr/share/developers-reference"
_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class Known:
    """A document in a package.

    Attributes:
        package: its name.
        format: the end of the names of its files here.
        language: of its text.
        files: where it is, as a pattern.
        truth: where its text is; empty: what others read of each file.
    """

    package: str
    format: str
    language: str
    files: str
    truth: str = ""


KNOWN = (
    *(
        Known(
            "installation-guide-amd64",
            kind,
            language,
            f"{_GUIDE}/{language}/{files.format(language)}",
            "" if language == "ko" else f"{_GUIDE}/{language}/install.{language}.txt.gz",
        )
        for language in ("en", "ko")
        for kind, files in (("pdf", "install.{}.pdf.gz"), ("html", "*.html"))
    ),
    Known(
        "debian-faq",
        "pdf",
        "en",
        f"{_DOC}/debian/FAQ/debian-faq.en.pdf.gz",
        f"{_DOC}/debian/FAQ/debian-faq.en.txt.gz",
    ),
    Known(
        "maint-guide",
        "pdf",
        "en",
        f"{_DOC}/maint-guide/maint-guide.en.pdf",
        f"{_DOC}/maint-guide/maint-guide.en.txt.gz",
    ),
    *(
        Known(
            "developers-reference",
            kind,
            "en",
            f"{_REFERENCE}/{files}",
            f"{_REFERENCE}/developers-reference.txt.gz",
        )
        for kind, files in (
            ("pdf", "developers-reference.pdf"),
            ("epub", "developers-reference.epub"),
            ("html", "*.html"),
            ("rst", "_sources/*.rst.txt"),
        )
    ),
    *(
        Known(
            "debian-policy",
            kind,
            "en",
            f"{_DOC}/debian-policy/{files}",
            f"{_DOC}/debian-policy/policy.txt.gz",
        )
        for kind, files in (
            ("pdf", "policy.pdf.gz"),
            ("epub", "policy.epub"),
            ("rst", "policy.html/_sources/*.rst.txt"),
        )
    ),
    Known("r-doc-pdf", "pdf", "en", "usr/share/R/doc/manual/R-*.pdf"),
    Known("r-doc-pdf", "pdf", "en", "usr/share/R/doc/manual/refman.pdf"),
)


def items(corpus: Path) -> Iterator[Item]:
    """Fetch the packages, and yield their documents; a line says what could not be had."""
    for package in dict.fromkeys(each.package for each in KNOWN):
        try:
            folder = _unpacked(package, corpus / "debian" / package)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{package}: left out: {error}", file=sys.stderr, flush=True)
            continue
        for number, known in enumerate(each for each in KNOWN if each.package == package):
            yield from _items(known, folder, corpus, number)


def _unpacked(package: str, folder: Path) -> Path:
    """The content of a package, fetched with the machine's own apt."""
    if not folder.exists():
        print(f"{package}: fetching", file=sys.stderr, flush=True)
        folder.mkdir(parents=True)
        try:
            _run(["apt-get", "download", "-q", package], folder)
            (archive,) = folder.glob("*.deb")
            _run(["dpkg-deb", "--extract", archive.name, "content"], folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder / "content"


def _items(known: Known, folder: Path, corpus: Path, number: int) -> Iterator[Item]:
    target = folder.parent / f"{number}-{known.format}-{known.language}"
    target.mkdir(exist_ok=True)
    found = sorted(file for file in folder.glob(known.files) if file.is_file())
    files = [_plain(file, target, known.format) for file in found]
    if not files:
        print(f"{known.package}: no {known.files}", file=sys.stderr, flush=True)
        return
    groups = [files] if known.truth else [[file] for file in files]
    for group in groups:
        truth = target / f"{group[0].stem}.truth.txt"
        if known.truth:
            truth.write_bytes(_content(next(folder.glob(known.truth))))
        else:
            _run(_reading(group[0], truth), target)
        yield Item(
            known.format,
            "Debian",
            known.language,
            tuple(str(file.relative_to(corpus)) for file in group),
            str(truth.relative_to(corpus)),
            sum(map(pages_of, group)),
        )


def _reading(file: Path, truth: Path) -> list[str]:
    """The command that reads the text of a file."""
    if file.suffix == ".pdf":
        return ["pdftotext", str(file), str(truth)]
    return ["pandoc", "-f", "html", "-t", "plain", "--wrap=none", str(file), "-o", str(truth)]


def _plain(file: Path, target: Path, suffix: str) -> Path:
    """A file as it is, under a name that tells its format."""
    name = file.name.removesuffix(".gz").removesuffix(".txt")
    plain = target / (name if name.endswith(suffix) else f"{name}.{suffix}")
    plain.write_bytes(_content(file))
    return plain


def _content(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_LIMIT_S)
