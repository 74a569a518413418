"""Fixtures that several test modules share: an empty state table, a vectors cache, sources."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ingestd_state import migrate, sources, vectors
from ingestd_state.engine import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ingestd.watch.source import WatchedSource


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated state table with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("template") / "state.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    return path


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty state table."""
    path = tmp_path / "state.db"
    shutil.copy(migrated, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Database]:
    """An empty vectors cache."""
    database = Database(f"sqlite:///{tmp_path / 'vectors.db'}")
    vectors.create(database)
    yield database
    database.close()


@pytest.fixture
def source(database: Database, tmp_path: Path) -> Callable[..., WatchedSource]:
    """Makes an empty folder of this name and registers it as a source, with rules as given."""
    from ingestd.watch.rules import Rules
    from ingestd.watch.source import WatchedSource

    def make(name: str = "docs", *, collection: str = "ingestd", **rules: object) -> WatchedSource:
        root = os.fsencode(tmp_path / name)
        os.makedirs(root, exist_ok=True)  # noqa: PTH103 - bytes paths
        with database.write() as connection:
            row = sources.ensure(connection, name, root, collection, "{}")
        return WatchedSource(row.id, name, root, collection, Rules(root, **rules))  # type: ignore[arg-type]

    return make
