"""Asks a Chroma for what a reader would ask for: the only proof that an index works.

The heartbeat does not touch the data, and a torn index raises, or hangs for ever, when it is
opened. So the questions are asked with a time limit: of a server over HTTP, of a directory in a
child process, ``python -m ingestd.embed.chroma.examine DIR PARENT NAME...``, before it is opened
here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.errors import DiskFullError, StoreError

from .ours import MARK
from .recorded import without_stored_functions
from .verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SAMPLES = 5
"""Slots at either end of a collection that are asked for."""
MALFORMED = ("malformed", "not a database", "code: 11)", "code: 26)")
SHOWN = 300


@dataclass(slots=True)
class Answers:
    """How a Chroma answered.

    Attributes:
        at: the collection that is being asked for; empty before the first and after the last.
        broken: collections that gave no sound answer, and what they gave.
        unreadable: what is wrong with the database; empty when nothing is.
    """

    at: str = ""
    broken: dict[str, str] = field(default_factory=dict)
    unreadable: str = ""


def examine(
    client: Any, names: Iterable[str], tell: Callable[[str], None], answers: Answers
) -> None:
    """Ask for the number of slots, for the first and last few with their vectors, and a query.

    Args:
        client: Chroma's client.
        names: the collections to ask for; those that are not there are passed over.
        tell: called with the name of each before it is asked for.
        answers: filled as the answers come.

    Raises:
        DiskFullError: nothing can be told while the disk is full.
        StoreError: no answer at all.
    """
    for name in names:
        answers.at = name
        tell(name)
        try:
            _ask(client, name)
        except Exception as error:  # noqa: BLE001 - a broken index raises whatever it likes
            _judge(error, name, answers)
    answers.at = ""


def _ask(client: Any, name: str) -> None:
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - slow to import

    try:
        handle = client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return
    found = handle.metadata or {}
    if MARK not in found:
        return
    without_stored_functions(handle)
    number = handle.count()
    for offset in sorted({0, max(0, number - SAMPLES)}):
        handle.get(limit=SAMPLES, offset=offset, include=["embeddings"])
    handle.query(query_embeddings=[[1.0] * int(found["dimension"])], n_results=SAMPLES)


def _judge(error: Exception, name: str, answers: Answers) -> None:
    import httpx  # noqa: PLC0415 - slow to import

    text = " ".join(str(error).split())[:SHOWN]
    verdict = judge(error)
    if isinstance(error, httpx.TransportError) or verdict is Verdict.DENIED:
        raise StoreError(f"Chroma does not answer: {type(error).__name__}: {text}") from error
    if verdict is Verdict.FULL:
        raise DiskFullError(f"Chroma has no space left: {text}") from error
    if any(words in text for words in MALFORMED):
        answers.unreadable = text
    answers.broken[name] = text


def main() -> None:
    """Open a directory, and write down the answers line by line, as JSON."""
    directory, parent, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    from . import ceiling  # noqa: PLC0415 - not for readers
    from .child import end_with_parent  # noqa: PLC0415 - the same

    end_with_parent(parent)
    answers = Answers()
    try:
        ceiling.impose(directory)
        client = open_directory(directory)
        try:
            examine(client, names, lambda name: _say(at=name), answers)
        finally:
            client.close()
    except DiskFullError as error:
        _say(full=error.message)
    except Exception as error:  # noqa: BLE001 - whatever it is, our parent must know
        _say(failed=" ".join(f"{type(error).__name__}: {error}".split())[:SHOWN])
    else:
        _say(broken=answers.broken, unreadable=answers.unreadable)


def open_directory(directory: Path) -> Any:
    """Chroma's client for a directory in this process."""
    import chromadb  # noqa: PLC0415 - slow to import

    from .client import QuietSettings  # noqa: PLC0415 - the same

    return chromadb.PersistentClient(
        str(directory.resolve()), settings=QuietSettings(anonymized_telemetry=False)
    )


def _say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
