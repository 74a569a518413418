"""XML as a stream of events: no tree, no entities but those of XML itself, nothing from elsewhere.

Names are local ones, because office programs write several name spaces for the same things; those
of elements are in lower case and with underscores, so that methods can be named after them. Only
the attributes that refer to other parts keep a prefix, ``r:``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from xml.parsers import expat

from ingestd.embed.extract import damage
from ingestd.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

    from ingestd.ports import Section

    Attributes = dict[str, str]
    Event = tuple[str, str, Attributes]
    """``start``, ``end`` or ``text``; the name or the text; the attributes at a start."""

PIECE_BYTES = 64 * 1024
MOST_DEPTH = 1_000
_NOTHING: dict[str, str] = {}
_SEPARATOR = "}"
_MOST_NAMES = 10_000


def events(part: IO[bytes], name: str) -> Iterator[Event]:
    """Yield what is in a part, in order.

    Args:
        part: to be read.
        name: what it is called in a failure.

    Raises:
        ExtractionError: it is no XML, declares entities, or is nested too deep.
    """
    found: list[Event] = []
    parser = _parser(found, name)
    try:
        while piece := part.read(PIECE_BYTES):
            parser.Parse(piece, False)
            yield from found
            found.clear()
        parser.Parse(b"", True)
    except damage.PART as error:
        raise damage.of_part(name, error) from error
    yield from found


def _parser(found: list[Event], name: str) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    tags, names = _Tags(), _Names()
    depth = 0

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise ExtractionError(f"{name[:200]}: elements are nested deeper than {MOST_DEPTH:,}")
        named = {names[key]: value for key, value in attributes.items()} if attributes else _NOTHING
        found.append(("start", tags[tag], named))

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        found.append(("end", tags[tag], _NOTHING))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: found.append(("text", text, _NOTHING))
    forbid_entities(parser, name)
    return parser


def forbid_entities(parser: expat.XMLParserType, name: str) -> None:
    """Have a parser refuse a document that declares entities."""

    def refuse(*_: object) -> None:
        raise ExtractionError(f"{name[:200]}: it declares entities, which are not expanded")

    parser.EntityDeclHandler = refuse


class _Tags(dict[str, str]):
    """Names of elements, made when first asked for."""

    def __missing__(self, key: str) -> str:
        found = key.rpartition(_SEPARATOR)[2].lower().replace("-", "_")
        return _kept(self, key, found)


class _Names(dict[str, str]):
    """Names of attributes, made when first asked for."""

    def __missing__(self, key: str) -> str:
        space, _, local = key.rpartition(_SEPARATOR)
        return _kept(self, key, f"r:{local}" if space.endswith("/relationships") else local)


def _kept(names: dict[str, str], key: str, found: str) -> str:
    if len(names) >= _MOST_NAMES:
        names.clear()
    names[key] = found
    return found


class Walker:
    """Goes through events: calls ``start_NAME(attributes)`` and ``end_NAME()`` where there are any.

    Attributes:
        ready: sections that are to be given away.
    """

    SKIPPED: ClassVar[frozenset[str]] = frozenset()
    """Elements that are left out with all that is in them."""

    def __init__(self) -> None:
        self.ready: list[Section] = []
        self._skipping = 0
        self._starts: dict[str, Callable[[Attributes], None]] = self._methods("start_")
        self._ends: dict[str, Callable[[], None]] = self._methods("end_")

    def text(self, data: str) -> None:
        """Take text."""

    def walk(self, found: Iterable[Event]) -> Iterator[Section]:
        """Go through events, and yield the sections that come up."""
        for kind, name, attributes in found:
            self.take(kind, name, attributes)
            if self.ready:
                yield from self.ready
                self.ready.clear()

    def take(self, kind: str, name: str, attributes: Attributes) -> None:
        """Take one event."""
        if self._skipping:
            self._skipping += (kind == "start") - (kind == "end")
        elif kind == "text":
            self.text(name)
        elif kind == "end":
            if name in self._ends:
                self._ends[name]()
        elif name in self.SKIPPED:
            self._skipping = 1
        elif name in self._starts:
            self._starts[name](attributes)

    def through(self, found: Iterable[Event]) -> None:
        """Go through events that give no sections."""
        for _ in self.walk(found):
            pass

    def _methods(self, prefix: str) -> dict[str, Callable[..., None]]:
        names = (name for name in dir(self) if name.startswith(prefix))
        return {name.removeprefix(prefix): getattr(self, name) for name in names}
