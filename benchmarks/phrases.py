"""What documents of a language are put together from, ready to be chosen by number.

Made once, from the templates and from the parts that Faker gave (`benchmarks.compile_parts`). Each
topic has people, companies and phrases of its own, so that texts of a topic resemble one another,
as real ones do.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import sentences_en, sentences_ko, snippets
from benchmarks.chance import Chance
from benchmarks.particles import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

PARTS = Path(__file__).resolve().parent / "parts"
TEMPLATES = {"en": sentences_en, "ko": sentences_ko}
TOPICS = 64
SENTENCES, FEW, ROWS = 160, 24, 64
"""How many sentences, headings and the like, and rows of tables a topic has."""
KINDS = ("names", "companies", "cities", "addresses", "jobs", "phrases", "plans")
OWN = 12
"""Parts of each kind that belong to a topic."""
ROW = "| {names} | {jobs} | {cities} | {number} | {date} |"
FILLED_LATER = ("names", "names2", "number")
"""Of a lead, what each use of it fills anew."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Ready pieces of text about one thing; leads are ``%`` formats of `FILLED_LATER`."""

    names: Sequence[str]
    sentences: Sequence[str]
    leads: Sequence[str]
    headings: Sequence[str]
    titles: Sequence[str]
    links: Sequence[str]
    rows: Sequence[str]
    code: Sequence[str]


@dataclass(frozen=True, slots=True)
class Phrases:
    """The pieces of a language: its topics, the first two lines of each table, and tags."""

    topics: Sequence[Topic]
    table_head: str
    tags: Sequence[str]


@functools.cache
def phrases(language: str) -> Phrases:
    """The pieces of a language: ``en`` or ``ko``.

    Raises:
        LookupError: there are none of this language.
    """
    if language not in TEMPLATES:
        raise LookupError(f"no language is called {language!r}; there are {sorted(TEMPLATES)}")
    templates = TEMPLATES[language]
    parts = json.loads((PARTS / f"{language}.json").read_text(encoding="utf-8"))
    # No part of the corpus's seed: the pieces are the same for all corpora.
    chance = Chance(f"phrases in {language}")
    columns = templates.COLUMNS
    return Phrases(
        topics=[_Maker(parts, chance).topic(templates) for _ in range(TOPICS)],
        table_head=f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}",
        tags=templates.TAGS,
    )


class _Maker:
    """Fills templates with the parts of one topic; itself what templates ask for by name."""

    def __init__(self, parts: Mapping[str, Sequence[str]], chance: Chance) -> None:
        self._chance = chance
        self._given: Mapping[str, str] = {}
        self._own = {kind: [chance.of(parts[kind]) for _ in range(OWN)] for kind in KINDS}
        self._made: Mapping[str, Callable[[], str]] = {
            "names2": lambda: chance.of(self._own["names"]),
            "date": chance.date,
            "number": lambda: str(2 + chance.below(900)),
            "percent": lambda: f"{1 + chance.below(90)} %",
            "word": lambda: chance.of(parts["words"]),
            "user": lambda: chance.of(parts["users"]),
            "slug": lambda: chance.of(parts["slugs"]),
            "host": lambda: f"{chance.of(parts['hosts'])}.example",
        }

    def __getitem__(self, name: str) -> str:
        """A choice of what a template asks for; each time another."""
        if name in self._given:
            return self._given[name]
        if name in self._own:
            return self._chance.of(self._own[name])
        return self._made[name]()

    def topic(self, templates: ModuleType) -> Topic:
        """Make everything that a topic has."""
        rows = [ROW] * ROWS
        return Topic(
            names=self._own["names"],
            sentences=self._filled(templates.SENTENCES, SENTENCES),
            leads=[self._lead(template) for template in templates.LEADS],
            headings=self._filled(templates.HEADINGS, FEW),
            titles=self._filled(templates.TITLES, FEW),
            links=self._filled(templates.LINKS, FEW),
            rows=self._filled(rows, ROWS),
            code=[self._code(templates.COMMENTS) for _ in range(FEW)],
        )

    def _filled(self, templates: Sequence[str], count: int) -> list[str]:
        return [self._fill(templates[number % len(templates)]) for number in range(count)]

    def _fill(self, template: str, given: Mapping[str, str] | None = None) -> str:
        self._given = given or {}
        filled = fit(template.format_map(self))
        self._given = {}
        return filled

    def _lead(self, template: str) -> str:
        later = {name: f"%({name})s" for name in FILLED_LATER}
        return self._fill(template, {**later, "percent": f"{self['percent']}%"})

    def _code(self, comments: Sequence[str]) -> str:
        named = dict.fromkeys(("one", "two"), self["word"])
        comment = self._fill(self._chance.of(comments))
        return self._fill(self._chance.of(snippets.TEMPLATES), {**named, "comment": comment})
