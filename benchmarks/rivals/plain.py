"""Reads a Chroma directory in which each row names its file as LangChain does: in ``source``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.rivals.rows import answers_of_chroma, of_chroma, vectors_of_chroma, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rivals.arguments import Arguments

PATH_KEY = "source"


def readers(name: str) -> dict[str, Callable[[Arguments], None]]:
    """The actions ``rows``, ``search`` and ``vectors`` for the collection of this name."""

    def rows(given: Arguments) -> None:
        write(of_chroma(given.state / "chroma", name, given.docs, path_key=PATH_KEY))

    def search(given: Arguments) -> None:
        write(answers_of_chroma(given.state / "chroma", name, given.docs, path_key=PATH_KEY))

    def vectors(given: Arguments) -> None:
        write(vectors_of_chroma(given.state / "chroma", name))

    return {"rows": rows, "search": search, "vectors": vectors}
