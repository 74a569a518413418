"""The configured roots, as rows of the state table with their rules.

Cheap to import: verbs that run beside a daemon learn from here what is watched.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestd_state import sources
from ingestd_state.status import SourceStatus

from .errors import SourceMissingError
from .watch.rules import Rules

if TYPE_CHECKING:
    from ingestd_state.engine import Database

    from .config import Settings, SourceSettings
    from .reconcile import WatchedSource


def register_sources(settings: Settings, database: Database) -> dict[str, WatchedSource]:
    """Write the configured sources into the table; returns them by name.

    Raises:
        SourceMissingError: a folder is not there, and nothing is known of it: a typing error,
            most likely. One that was indexed before may be unmounted, and is kept.
    """
    # Here, because the reconciler brings structlog, and the quick verbs do without.
    import structlog  # noqa: PLC0415 - see above

    from .reconcile import WatchedSource  # noqa: PLC0415 - see above

    found: dict[str, WatchedSource] = {}
    for configured in settings.sources:
        root = os.path.abspath(configured.path.expanduser())  # noqa: PTH100 - keeps symlinks
        name = configured.name or Path(root).name or "root"
        if name in found:
            name = f"{name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:6]}"
        rules = Rules(os.fsencode(root), **json.loads(_rules_json(configured)))
        collection = configured.collection or settings.store.collection
        with database.write() as connection:
            known = {source.name: source for source in sources.all_sources(connection)}
            if not Path(root).is_dir() and (name not in known or not known[name].seen_nonempty):
                what = "is not a folder" if Path(root).exists() else "does not exist"
                raise SourceMissingError(f"{root} {what}")
            row = sources.ensure(
                connection, name, os.fsencode(root), collection, _rules_json(configured)
            )
        found[name] = WatchedSource(row.id, name, os.fsencode(root), collection, rules)
    with database.write() as connection:
        for gone in sources.detach_others(connection, list(found)):
            structlog.get_logger(__name__).warning("source_detached", source=gone)
    return found


def known_sources(database: Database) -> dict[str, WatchedSource]:
    """The sources as the last run left them, for verbs that run beside it."""
    from .reconcile import WatchedSource  # noqa: PLC0415 - brings structlog

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


def _rules_json(configured: SourceSettings) -> str:
    return json.dumps(
        {
            "include": configured.include,
            "exclude": configured.exclude,
            "defaults": configured.builtin_excludes,
        }
    )
