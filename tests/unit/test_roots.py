"""The configured roots: names, overlaps, and folders that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestd.config import Settings
from ingestd.errors import ConfigError, SourceMissingError
from ingestd.roots import configured_as, known_sources, register_sources
from ingestd_state import sources
from ingestd_state.status import SourceStatus

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd_state.engine import Database


def settings(*paths: Path, **more: object) -> Settings:
    """A configuration with these folders."""
    return Settings.model_validate({"sources": [{"path": path, **more} for path in paths]})


def folder(place: Path) -> Path:
    """A folder that is there."""
    place.mkdir(parents=True)
    return place


def test_two_folders_of_one_name_are_two_sources(database: Database, tmp_path: Path) -> None:
    """A later run on another folder of the same name does not take over the first one's index."""
    first, second = folder(tmp_path / "a" / "docs"), folder(tmp_path / "b" / "docs")
    (one,) = register_sources(settings(first), database).values()
    (two,) = register_sources(settings(second), database).values()
    assert one.name == "docs"
    assert two.name.startswith("docs-")
    assert one.id != two.id
    with database.read() as connection:
        states = {row.name: row.status for row in sources.all_sources(connection)}
    assert states == {"docs": SourceStatus.DETACHED, two.name: SourceStatus.ONLINE}


def test_a_folder_keeps_its_name(database: Database, tmp_path: Path) -> None:
    """A folder that was indexed before is the same source again, whatever ran in between."""
    first, second = folder(tmp_path / "a" / "docs"), folder(tmp_path / "b" / "docs")
    (one,) = register_sources(settings(first), database).values()
    (two,) = register_sources(settings(second), database).values()
    again = register_sources(settings(second, first), database)
    assert {source.id for source in again.values()} == {one.id, two.id}
    assert set(known_sources(database)) == {one.name, two.name}


def test_a_named_source_may_move(database: Database, tmp_path: Path) -> None:
    """Whoever gives a name says that it is the same source, wherever it lies now."""
    first, second = folder(tmp_path / "old"), folder(tmp_path / "new")
    (one,) = register_sources(settings(first, name="notes"), database).values()
    (two,) = register_sources(settings(second, name="notes"), database).values()
    assert one.id == two.id
    assert configured_as(database)[0]["path"] == second


def test_one_source_in_another_is_refused(database: Database, tmp_path: Path) -> None:
    """No file belongs to two sources; a folder whose name only begins alike is another one."""
    outer, inner = folder(tmp_path / "docs"), folder(tmp_path / "docs" / "deep")
    beside = folder(tmp_path / "docs-old")
    for pair in ((outer, inner), (inner, outer), (outer, outer)):
        with pytest.raises(ConfigError, match="indexed twice"):
            register_sources(settings(*pair), database)
    assert len(register_sources(settings(outer, beside), database)) == 2


def test_two_sources_of_one_name_are_refused(database: Database, tmp_path: Path) -> None:
    """A name given twice is a mistake."""
    with pytest.raises(ConfigError, match="notes"):
        register_sources(
            settings(folder(tmp_path / "a"), folder(tmp_path / "b"), name="notes"), database
        )


def test_a_folder_that_never_was_is_an_error(database: Database, tmp_path: Path) -> None:
    """A typing error is told; a folder that was indexed and is gone may be unmounted."""
    with pytest.raises(SourceMissingError, match="does not exist"):
        register_sources(settings(tmp_path / "none"), database)
    place = folder(tmp_path / "docs")
    (source,) = register_sources(settings(place), database).values()
    with database.write() as connection:
        sources.record_scan(connection, source.id, device=1, nonempty=True, at=0.0)
    place.rmdir()
    assert set(register_sources(settings(place), database)) == {"docs"}
