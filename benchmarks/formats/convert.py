"""Converts documents with pandoc and LibreOffice, many at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

PROGRAMS = ("pandoc", "soffice")
PACKAGES = "pandoc libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui"
"""Of Debian, with a Korean font: fonts-nanum."""
MARKDOWN = "markdown-raw_tex-tex_math_dollars-citations"
SLIDE_LEVEL = 2
_LIMIT_S = 900
_AT_ONCE = 25


def missing() -> list[str]:
    """The programs that are not here."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def parsed(markdown: str) -> dict[str, Any]:
    """A Markdown text as pandoc's tree."""
    done = _run(["pandoc", "-f", MARKDOWN, "-t", "json"], given=markdown.encode())
    tree: dict[str, Any] = json.loads(done)
    return tree


def straight(markdown: str, target: Path) -> None:
    """Write a Markdown text as the format that the name of a file tells."""
    _run(["pandoc", "-f", MARKDOWN, "-o", str(target)], given=markdown.encode())


def written(tree: Path, target: Path, kind: str) -> None:
    """Write a tree as another format.

    Args:
        tree: the file that holds it.
        target: the file to be written.
        kind: as pandoc calls the format.
    """
    more = ["--slide-level", str(SLIDE_LEVEL)] if kind == "pptx" else []
    title = ["--metadata", f"pagetitle={target.stem}"]
    command = ["pandoc", "-f", "json", "-t", kind, "--standalone", "--wrap=preserve", *more]
    _run([*command, *title, str(tree), "-o", str(target)])


def saved(files: Iterable[Path], folder: Path, kind: str, *, infilter: str = "") -> list[Path]:
    """Have LibreOffice save documents in another format.

    Args:
        files: to be opened.
        folder: where the new ones go, under the same names.
        kind: the end of the name, with a filter behind a colon where LibreOffice needs one.
        infilter: how they are to be opened.

    Returns:
        The new files: those that LibreOffice wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = list(files)
    with tempfile.TemporaryDirectory() as profile:
        command = ["soffice", f"-env:UserInstallation=file://{profile}", "--headless"]
        if infilter:
            command.append(f"--infilter={infilter}")
        for some in _batches(given):
            _run([*command, "--convert-to", kind, "--outdir", str(folder), *map(str, some)])
    suffix = kind.partition(":")[0]
    made = [folder / f"{file.stem}.{suffix}" for file in given]
    return [file for file in made if file.exists()]


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), _AT_ONCE):
        yield files[start : start + _AT_ONCE]


def _run(command: Sequence[str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace")[-500:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {told}")
    return done.stdout
