"""Pictures of text: ``python -m benchmarks.scans``.

Pages are drawn with the words of documents in Korean and in English, so that the truth is known,
and read as the daemon reads them. Counted are the words of the truth that are found, and the words
found that are in the truth; timed is a page. tesseract and Debian's fonts-nanum have to be there.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine, systems
from benchmarks.formats.words import words
from ingestd.embed.extract.tesseract import Tesseract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image

DOCS = systems.ROOT / "tests" / "corpus" / "fastapi-docs"
FONTS = Path("/usr/share/fonts/truetype/nanum")
LANGUAGES = {"Korean": "ko", "English": "en"}
HEADS = ("pages", "words found", "words given that are right", "seconds a page", "pages drawn")
DPI = 300
WIDTH, HEIGHT, MARGIN = 2480, 3508, 250
_PARAGRAPH = re.compile(r"^(?=[A-Z\uac00-\ud7a3])[^\n|<{]{80,600}$", re.MULTILINE)
_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[`*_#]|\{[^}]*\}")
_KIB = 1024


def paragraphs(folder: Path, page: int) -> list[str]:
    """Paragraphs for one page, other ones for each number."""
    files = sorted(folder.rglob("*.md"))
    found: list[str] = []
    for file in files[page * 5 :] + files[: page * 5]:
        text = file.read_text(encoding="utf-8")
        plain = (_MARKUP.sub(r"\1", one).strip() for one in _PARAGRAPH.findall(text))
        found += [one for one in plain if one]
        if sum(map(len, found)) > _KIB * 3:
            break
    return found


def drawn(
    texts: Sequence[str], font: str, size: int, width: int, height: int, margin: int
) -> tuple[Image, str]:
    """A page, and the text on it."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - an extra

    picture = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(picture)
    face = ImageFont.truetype(str(FONTS / f"{font}.ttf"), size)
    place = margin
    shown: list[str] = []

    def fits(line: str) -> bool:
        return draw.textlength(line, font=face) <= width - 2 * margin

    for text in texts:
        for line in _lines(text, fits):
            if place > height - margin:
                return picture, "\n".join(shown)
            draw.text((margin, place), line, fill=20, font=face)
            shown.append(line)
            place += size * 8 // 5
        place += size
    return picture, "\n".join(shown)


def _lines(text: str, fits: Any) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and not fits(longer):
            yield line
            longer = word
        line = longer
    yield line


def whole(texts: Sequence[str], font: str) -> tuple[Image, str]:
    """A page of A4."""
    return drawn(texts, font, 42, WIDTH, HEIGHT, MARGIN)


def columns(texts: Sequence[str], font: str) -> tuple[Image, str]:
    """A page of two columns."""
    from PIL import Image  # noqa: PLC0415

    picture = Image.new("L", (WIDTH, HEIGHT), 255)
    half, truth = len(texts) // 2, []
    for number, part in enumerate((texts[:half], texts[half:])):
        column, text = drawn(part, font, 38, WIDTH // 2, HEIGHT, 100)
        picture.paste(column, (number * WIDTH // 2, 0))
        truth.append(text)
    return picture, "\n".join(truth)


def screen(texts: Sequence[str], font: str) -> tuple[Image, str]:
    """A picture of a screen, twice as large, as its reader makes it."""
    picture, text = drawn(texts, font, 16, 900, 700, 30)
    width, height = picture.size
    return picture.resize((2 * width, 2 * height)), text


KINDS = {"a whole page": whole, "two columns": columns, "a screen": screen}


def measure(docs: Path, number: int) -> dict[str, dict[str, float]]:
    """Draw and read so many pages of each kind, in two fonts."""
    found = {}
    with closing(Tesseract("kor+eng")) as tesseract:
        for language, folder in LANGUAGES.items():
            for kind, make in KINDS.items():
                name = f"{language}, {kind}"
                print(name, file=sys.stderr, flush=True)
                found[name] = _measured(tesseract, docs / folder, make, number)
    return found


def _measured(tesseract: Tesseract, folder: Path, make: Any, number: int) -> dict[str, float]:
    right = true = given = 0
    seconds = 0.0
    for page in range(number):
        for font in ("NanumMyeongjo", "NanumGothic"):
            picture, text = make(paragraphs(folder, page), font)
            started = time.process_time()
            width, height = picture.size
            read = "\n".join(tesseract.read(picture.tobytes(), width, height, DPI))
            seconds += time.process_time() - started
            expected, got = words(text), words(read)
            right += (expected & got).total()
            true += expected.total()
            given += got.total()
    pages = 2 * number
    return {
        "recall": right / true,
        "precision": right / max(given, 1),
        "cpu_s": seconds / pages,
        "pages": pages,
    }


def lines(found: dict[str, dict[str, float]]) -> list[list[str]]:
    """The rows of the table."""
    return [
        [
            name,
            f"{values['recall']:.3f}",
            f"{values['precision']:.3f}",
            f"{values['cpu_s']:.1f}",
            f"{values['pages']:.0f}",
        ]
        for name, values in found.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, draw, read, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scans", description=__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folders ko and en of Markdown")
    parser.add_argument("--pages", type=int, default=5, help="of each kind and font")
    parser.add_argument("--json", type=Path, help="write the values to this file")
    given = parser.parse_args(arguments)
    about = machine.describe()
    found = measure(given.docs, given.pages)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(machine.headline(about), highlight=False, soft_wrap=True)
    table = Table(*HEADS)
    for line in lines(found):
        table.add_row(*line)
    console.print(table)
    console.print(f"peak of this process: {peak_mib:.0f} MiB", highlight=False)
    if given.json:
        values = {"machine": about, "scans": found, "peak_mib": round(peak_mib)}
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
