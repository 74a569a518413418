"""The configured roots, as rows of the state table with their rules.

Cheap to import: verbs that run beside a daemon learn from here what is watched.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd_state import bulk, sources
from ingestd_state.status import SourceStatus

from .errors import ConfigError, SourceMissingError
from .watch.rules import Rules
from .watch.source import WatchedSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestd_state.engine import Database

    from .config import Settings
    from .settings.content import ExtractSettings, SourceSettings


def register_sources(settings: Settings, database: Database) -> dict[str, WatchedSource]:
    """Write the configured sources into the table; returns them by name.

    Raises:
        SourceMissingError: a folder is not there, and nothing is known of it: a typing error,
            most likely. One that was indexed before may be unmounted, and is kept.
        ConfigError: two sources overlap, or have one name.
    """
    import structlog  # noqa: PLC0415 - slow to import, and the quick verbs do without

    found: dict[str, WatchedSource] = {}
    for configured in settings.sources:
        root = os.fsencode(os.path.abspath(configured.path.expanduser()))  # noqa: PTH100 - keeps links
        _check_apart(root, found.values())
        stored = _rules_json(configured, settings.extract)
        rules = Rules(root, **json.loads(stored))
        collection = configured.collection or settings.store.collection
        with database.read() as connection:
            known = {source.name: source for source in sources.all_sources(connection)}
        name = configured.name or _name(root, known)
        if name in found:
            raise ConfigError(f"two sources are called {name!r}")
        _check_there(root, known.get(name))
        row = bulk.register(database, name, root, collection, stored)
        polled = configured.watch == "poll"
        found[name] = WatchedSource(row.id, name, root, collection, rules, polled)
    with database.write() as connection:
        for gone in sources.detach_others(connection, list(found)):
            structlog.get_logger(__name__).warning("source_detached", source=gone)
    return found


def _name(root: bytes, known: dict[str, sources.Source]) -> str:
    """A name for a folder that was given none: the one it had, or its own, unless that is taken."""
    for source in known.values():
        if source.path == root:
            return source.name
    name = root.rpartition(b"/")[2].decode("utf-8", "replace") or "root"
    if name in known:
        return f"{name}-{hashlib.sha256(root).hexdigest()[:6]}"
    return name


def _check_apart(root: bytes, others: Iterable[WatchedSource]) -> None:
    """See that no file belongs to two sources.

    Raises:
        ConfigError: one root is in another.
    """
    for other in others:
        inner, outer = sorted((root, other.root), key=len, reverse=True)
        if inner == outer or inner.startswith(outer.rstrip(b"/") + b"/"):
            raise ConfigError(
                f"{os.fsdecode(inner)} is in {os.fsdecode(outer)}: it would be indexed twice",
                hint="Name the outer folder alone.",
            )


def _check_there(root: bytes, known: sources.Source | None) -> None:
    """See that a folder is there; one that was indexed before may be unmounted.

    Raises:
        SourceMissingError: it is not, and never was.
    """
    path = Path(os.fsdecode(root))
    if not path.is_dir() and (known is None or not known.seen_nonempty):
        what = "is not a folder" if path.exists() else "does not exist"
        raise SourceMissingError(f"{path} {what}")


def known_sources(database: Database) -> dict[str, WatchedSource]:
    """The sources as the last run left them, for verbs that run beside it."""
    with database.read() as connection:
        rows = sources.all_sources(connection)
    return {
        row.name: WatchedSource(row.id, row.name, row.path, row.collection, rules_of(row))
        for row in rows
        if row.status is not SourceStatus.DETACHED
    }


def configured_as(database: Database) -> list[dict[str, Any]]:
    """The sources as the last run left them, as a configuration would name them."""
    with database.read() as connection:
        rows = sources.all_sources(connection)
    found = []
    for row in rows:
        if row.status is SourceStatus.DETACHED:
            continue
        rules = json.loads(row.rules)
        found.append(
            {
                "path": Path(os.fsdecode(row.path)),
                "name": row.name,
                "collection": row.collection,
                "include": tuple(rules.get("include", ())),
                "exclude": tuple(rules.get("exclude", ())),
                "builtin_excludes": rules.get("defaults", True),
            }
        )
    return found


def rules_of(row: sources.Source) -> Rules:
    """The rules that a source was last run with."""
    return Rules(row.path, **json.loads(row.rules))


def _rules_json(configured: SourceSettings, extract: ExtractSettings) -> str:
    return json.dumps(
        {
            "include": configured.include,
            "exclude": configured.exclude,
            "defaults": configured.builtin_excludes,
            "secrets": extract.secrets == "skip",
            "secret_rules": extract.secret_rules,
        }
    )
