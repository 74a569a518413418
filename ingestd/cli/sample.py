"""The sample configuration, made of the fields that the configuration has."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ingestd.config import Settings
from ingestd.settings.content import SourceSettings

from .effective import literal

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

WIDTH = 96
HEAD = """\
# Configuration of ingestd. Every key is commented out and shows its default, or an example where
# there is none. An environment variable overrides a key: INGESTD_STORE__PORT for `port` in [store].
"""
EXAMPLES: dict[str, Any] = {
    "sources.path": "/srv/handbook",
    "sources.collection": "handbook",
    "sources.exclude": ["drafts/", "*.log"],
    "sources.include": ["*.md"],
    "sources.name": "handbook",
    "state_dir": "~/.local/state/ingestd",
    "cache_dir": "~/.cache/ingestd",
    "state_url": "sqlite:////var/lib/ingestd/state.db",
    "store.mode": "managed",
    "store.url": "https://chroma.example.org",
    "store.token": "secret",
    "model.threads": 2,
    "http.token": "change-this-to-a-long-secret",
    "http.token_file": "/etc/ingestd/http.token",
    "memory.high": "1G",
    "memory.max": "2G",
    "chunk.tokens": 200,
    "chunk.method": "window",
    "chunk.size": 500,
}
"""What is shown for keys that have no default."""


def sample() -> str:
    """The whole file."""
    lines = [HEAD.rstrip()]
    for name, field in Settings.model_fields.items():
        if _model_of(field) is None and name != "sources":
            lines += ["", *_key(name, name, field)]
    lines += ["", "# A folder to watch; repeat the table for each.", "#[[sources]]"]
    lines += _table("sources", SourceSettings)
    for name, field in Settings.model_fields.items():
        model = _model_of(field)
        if model is not None:
            lines += ["", *_comment(model.__doc__ or ""), f"#[{name}]", *_table(name, model)]
    return "\n".join(lines) + "\n"


def _table(name: str, model: type[BaseModel]) -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield from _key(f"{name}.{key}", key, field)


def _key(dotted: str, key: str, field: FieldInfo) -> Iterator[str]:
    value = EXAMPLES.get(dotted)
    if value is None:
        value = field.get_default(call_default_factory=True)
    note = field.description or ""
    unset = field.is_required() or (not field.get_default() and dotted in EXAMPLES)
    yield from _comment(f"{note} (an example)" if unset else note)
    yield f"#{key} = {literal(value)}"


def _comment(note: str) -> list[str]:
    return textwrap.wrap(
        note.strip(), WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
