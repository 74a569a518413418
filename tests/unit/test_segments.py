"""Cutting a long text into segments, and reading them as one text."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ingestd.embed.extract import extractor
from ingestd.embed.extract.formats import Kind
from ingestd.embed.extract.segment import SegmentReader
from ingestd.embed.reading.segments import segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestd.ports import Block

LEAST, MOST = 2_000, 6_000
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def prose(rng: random.Random, sections: int) -> str:
    """A text in Markdown with sections, code blocks and lists."""
    parts = ["# Title"]
    for number in range(sections):
        parts.append(f"{'#' * rng.randint(2, 4)} Section {number}")
        parts += [
            " ".join(rng.choices(WORDS, k=rng.randint(5, 60))) for _ in range(rng.randint(1, 5))
        ]
        if rng.random() < 0.3:
            parts.append("```\n# no heading\n\n" + "\n".join(rng.choices(WORDS, k=5)) + "\n```")
    return "\n\n".join(parts) + "\n"


def cut(text: str, kind: Kind = Kind.MARKDOWN, *, step: int = 1_000) -> list[str]:
    """The segments of a text that comes in pieces."""
    reader = SegmentReader(kind)
    pieces = (text[start : start + step] for start in range(0, len(text), step))
    found = []
    for segment in segments(pieces, lambda held: reader.look(held).blocks, least=LEAST, most=MOST):
        reader.read(segment)
        found.append(segment)
    return found


def read(parts: list[str], kind: Kind) -> Iterator[Block]:
    """The blocks of segments, with their places in the whole."""
    reader = SegmentReader(kind)
    offset = 0
    for part in parts:
        for block in reader.read(part).blocks:
            yield type(block)(
                block.start + offset, block.end + offset, block.headings, block.heading
            )
        offset += len(part)


@pytest.mark.parametrize("step", [1, 7, 999, 6_000, 6_001, 10**6])
def test_segments_are_the_text_however_it_comes(step: int) -> None:
    """Nothing is lost, sizes are kept, and the pieces do not decide where the cuts are."""
    text = prose(random.Random(1), 40 if step == 1 else 200)
    found = cut(text, step=step)
    assert "".join(found) == text
    assert found == cut(text, step=1_000)
    assert len(found) > 3
    assert all(LEAST <= len(part) <= MOST for part in found[:-1])


def test_a_short_text_is_one_segment() -> None:
    """Up to the greatest length nothing is cut."""
    assert cut("x" * MOST) == ["x" * MOST]
    assert cut("") == []


def test_segments_begin_at_headings_where_there_are_some() -> None:
    """Also a comment in a code block that looks like a heading is no place to cut."""
    for part in cut(prose(random.Random(2), 300))[1:]:
        assert part.startswith("##")


@pytest.mark.parametrize("kind", [Kind.MARKDOWN, Kind.RST, Kind.PLAIN, Kind.CODE])
@pytest.mark.parametrize("seed", range(4))
def test_segments_read_as_the_whole_does(kind: Kind, seed: int) -> None:
    """Cut at blocks, the blocks, headings and places are those of the whole text."""
    text = prose(random.Random(seed), 150)
    if kind is Kind.RST:
        text = text.replace("# ", "").replace("#", "")
        lines = [
            f"{line}\n{'=-~^'[len(line) % 4] * 20}" if line.startswith("Section") else line
            for line in text.split("\n")
        ]
        text = "\n".join(lines)
    parts = cut(text, kind)
    assert len(parts) > 3
    assert list(read(parts, kind)) == list(extractor(kind)(text).blocks)


def test_a_code_block_goes_on_in_the_next_segment() -> None:
    """What looks like a heading in an endless code block is none, in any segment."""
    text = "# Title\n\n```\n" + "# no heading\n" * 3_000
    parts = cut(text)
    assert len(parts) > 3
    blocks = list(read(parts, Kind.MARKDOWN))
    assert [block.heading for block in blocks if block.heading] == [1]
    assert all(block.headings == ("Title",) for block in blocks)
    assert all(part.endswith("\n") for part in parts)


def test_front_matter_is_at_the_beginning_only() -> None:
    """A segment that begins with a rule is no document of its own."""
    reader = SegmentReader(Kind.MARKDOWN)
    assert reader.read("---\ntitle: One\n---\n\ntext\n").title == "One"
    assert reader.read("---\ntitle: Two\n---\n\ntext\n").title == ""


@pytest.mark.parametrize("length", [1, 5, 100, 2_500])
def test_an_insertion_moves_few_cuts(length: int) -> None:
    """After an insertion at the top the same places are found again."""
    rng = random.Random(3)
    text = prose(rng, 500)
    inserted = " ".join(rng.choices(WORDS, k=length)) + "\n\n"
    before, after = cut(text), cut(inserted + text)
    common = set(before) & set(after)
    assert len(common) >= len(before) * 0.75


def test_lines_are_kept_where_there_are_no_blocks() -> None:
    """A log is one block: it is cut between lines, and an insertion moves few cuts."""
    rng = random.Random(4)
    lines = [f"{n} {' '.join(rng.choices(WORDS, k=8))}\n" for n in range(3_000)]
    before, after = (
        cut("".join(lines), Kind.PLAIN),
        cut("".join(["one more\n", *lines]), Kind.PLAIN),
    )
    assert all(part.endswith("\n") for part in before)
    assert len(set(before) & set(after)) >= len(before) * 0.75


def test_an_endless_line_is_cut_where_it_can_be() -> None:
    """Behind white space, else behind a sign, else anywhere; sizes are kept."""
    rng = random.Random(5)
    words = " ".join(rng.choices(WORDS, k=10_000))
    assert all(part.endswith(" ") for part in cut(words, Kind.PLAIN)[:-1])
    signs = ",".join(rng.choices(WORDS, k=10_000))
    assert all(part.endswith(",") for part in cut(signs, Kind.PLAIN)[:-1])
    letters = "".join(rng.choices("abcdefgh", k=50_000))
    found = cut(letters, Kind.PLAIN)
    assert "".join(found) == letters
    assert all(LEAST <= len(part) <= MOST for part in found[:-1])
