"""Generated documents: any one of a corpus, from its number and the corpus's seed alone.

Front matter, headings, paragraphs, lists, tables, code, links and names, in English and Korean. The
lengths follow a log-normal distribution: most documents are short, a few are long.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from benchmarks.chance import Chance
from benchmarks.phrases import phrases

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.phrases import Phrases, Topic

LANGUAGES = ("en", "ko")
MEDIAN_BLOCKS = 12
RECORD_BLOCKS = 2
SPREAD = 0.9
"""Standard deviation of the logarithm of a document's length."""
QUANTILES = 4_096
BLOCKS_A_SECTION = 4
PARAGRAPH, LIST, TABLE, CODE = 0.72, 0.82, 0.90, 0.97
"""Up to which chance a block is of this kind; the rest are links."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        number: in its corpus, from 0.
        title: its first heading.
        language: ``en`` or ``ko``.
        text: Markdown.
        name: of its file.
    """

    number: int
    title: str
    language: str
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """What decides a corpus.

    Attributes:
        seed: equal seeds, equal documents.
        languages: documents are of these in turn.
        blocks: of a document of median length.
    """

    seed: int = 0
    languages: Sequence[str] = LANGUAGES
    blocks: float = MEDIAN_BLOCKS

    def documents(self, count: int) -> Iterator[Document]:
        """The first so many documents, one at a time."""
        return map(self.document, range(count))

    def document(self, number: int) -> Document:
        """One document."""
        language = self.languages[number % len(self.languages)]
        chance = Chance(f"{self.seed} {number}")
        pieces = phrases(language)
        topic = chance.of(pieces.topics)
        title, tag = f"{chance.of(topic.titles)} ({number})", chance.of(pieces.tags)
        front = _front_matter(title, chance.of(topic.names), tag, chance.date())
        out = [front, f"# {title}"]
        out += _body(chance, topic, pieces, chance.of(lengths(self.blocks)))
        return Document(number, title, language, "\n\n".join(out) + "\n", f"{tag}-{number:07}.md")


@functools.cache
def lengths(median: float) -> list[int]:
    """Blocks of a document at each quantile."""
    normal = NormalDist()
    return [
        max(1, round(median * math.exp(SPREAD * normal.inv_cdf((place + 0.5) / QUANTILES))))
        for place in range(QUANTILES)
    ]


def _front_matter(title: str, author: str, tag: str, date: str) -> str:
    quoted = title.replace('"', "'")
    return f'---\ntitle: "{quoted}"\nauthor: {author}\ndate: {date}\ntags: [{tag}]\n---'


def _body(chance: Chance, topic: Topic, pieces: Phrases, blocks: int) -> list[str]:
    """Blocks, with a heading now and then and a sentence below it that no other document has."""
    out, heading_at = [], 1
    for place in range(blocks):
        if place == heading_at:
            out += [f"## {chance.of(topic.headings)}", _lead(chance, topic)]
            heading_at += 1 + chance.below(2 * BLOCKS_A_SECTION)
        out.append(_block(chance, topic, pieces))
    return out


def _lead(chance: Chance, topic: Topic) -> str:
    names, number = topic.names, chance.below(1_000_000)
    return chance.of(topic.leads) % {
        "names": chance.of(names),
        "names2": chance.of(names),
        "number": number,
    }


def _block(chance: Chance, topic: Topic, pieces: Phrases) -> str:
    kind = chance.random()
    if kind < PARAGRAPH:
        return _sentences(chance, topic, 2 + chance.below(4))
    if kind < LIST:
        return "\n".join(f"- {chance.of(topic.sentences)}" for _ in range(2 + chance.below(5)))
    if kind < TABLE:
        rows = [chance.of(topic.rows) for _ in range(2 + chance.below(6))]
        return "\n".join([pieces.table_head, *rows])
    if kind < CODE:
        return chance.of(topic.code)
    return chance.of(topic.links)


def _sentences(chance: Chance, topic: Topic, count: int) -> str:
    random, sentences = chance.random, topic.sentences
    return " ".join([sentences[int(random() * len(sentences))] for _ in range(count)])
