"""The folder of backups, and what a backup says of itself."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ingestd.backup import manifest, restore, room, save
from ingestd.backup.restore import Restore
from ingestd.backup.save import Origin
from ingestd.backup.shelf import Shelf, chosen
from ingestd.errors import (
    BackupDamagedError,
    BusyError,
    DiskFullError,
    NotFoundError,
    OccupiedError,
    StateError,
    UnavailableError,
)
from ingestd.location import Location
from ingestd.tables import StateDamagedError, open_state
from ingestd_state import bulk, vectors
from ingestd_state.engine import FullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def quiet(_name: str, _done: int, _all: int) -> None:
    """Show no progress."""


def place(root: Path, config: Path | None = None) -> Location:
    """An instance below a folder."""
    state = root / "state"
    return Location(config, state, root / "cache", f"sqlite:///{state / 'state.db'}")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """An instance with one source, one vector, a configuration and an added model."""
    config = tmp_path / "config.toml"
    config.write_text("[store]\ntoken = 'secret'\n", "utf-8")
    location = place(tmp_path, config)
    location.state_dir.mkdir()
    database, cache = open_state(location)
    bulk.register(database, "docs", b"/nowhere/docs", "ingestd", "{}")
    with cache.write() as connection:
        vectors.put(connection, "m", [(b"d" * 32, b"\0" * 16)], now=1)
    database.close()
    cache.close()
    model = location.models_dir / "mine"
    (model / "inner").mkdir(parents=True)
    (model / "inner" / "weights.safetensors").write_bytes(b"w" * 100)
    (model / "link").symlink_to("/etc/passwd")
    return Origin(location, "m", model)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A folder of backups that is not there yet."""
    return Shelf(tmp_path / "backups")


def saved(origin: Origin, shelf: Shelf) -> Path:
    """Make a backup."""
    with shelf.locked():
        return save.save(origin, shelf, quiet)[0]


def target(backup: Path, tmp_path: Path) -> Restore:
    """What puts a backup onto a fresh machine."""
    return Restore(backup, place(tmp_path / "fresh"), tmp_path / "fresh" / "config.toml")


def test_a_backup_is_for_its_owner_alone(origin: Origin, shelf: Shelf) -> None:
    """Nobody else reads a file of it; a link in a model is not followed."""
    backup = saved(origin, shelf)
    files = {path: path.stat().st_mode & 0o777 for path in [backup, *backup.rglob("*")]}
    assert {mode for path, mode in files.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in files.items() if path.is_file()} == {0o600}
    assert {path.name for path in files if path.is_file()} == {
        *("manifest.json", "state.db", "vectors.db", "config.toml", "weights.safetensors")
    }


def test_a_backup_comes_back_whole(origin: Origin, shelf: Shelf, tmp_path: Path) -> None:
    """Table, vectors, model and configuration are in place, and the collection is flagged."""
    work = target(saved(origin, shelf), tmp_path)
    work.check(force=False)
    done = work.put(quiet)
    fresh = place(tmp_path / "fresh")
    assert done == restore.Restored((), tmp_path / "fresh" / "config.toml")
    assert (fresh.models_dir / "mine" / "inner" / "weights.safetensors").read_bytes() == b"w" * 100
    with closing(sqlite3.connect(fresh.state_dir / "state.db")) as table:
        rows = table.execute("SELECT name, reason FROM collections").fetchall()
    assert rows == [("ingestd", restore.REASON)]
    with closing(sqlite3.connect(fresh.state_dir / "vectors.db")) as table:
        assert table.execute("SELECT count(*) FROM vectors_1").fetchone() == (1,)
    assert {path.name for path in fresh.state_dir.iterdir()} == {"state.db", "vectors.db", "models"}


def test_a_configuration_that_is_there_stays(origin: Origin, shelf: Shelf, tmp_path: Path) -> None:
    """What somebody wrote on the new machine is not overwritten."""
    work = target(saved(origin, shelf), tmp_path)
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "config.toml").write_text("# mine\n", "utf-8")
    assert work.put(quiet).config is None
    assert (tmp_path / "fresh" / "config.toml").read_text("utf-8") == "# mine\n"


def test_every_instance_that_was_there_stays(origin: Origin, shelf: Shelf, tmp_path: Path) -> None:
    """However quickly one restore follows the other, none takes what another set aside."""
    backup, seen = saved(origin, shelf), set()
    for number in range(4):
        seen |= set(target(backup, tmp_path).put(quiet).aside)
        assert len(seen) == number
    assert all((aside / "state.db").stat().st_size for aside in seen)
    assert all((aside / "models" / "mine").is_dir() for aside in seen)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda backup: (backup / "vectors.db").write_bytes(b"short"),
    "one bit": lambda backup: (backup / "state.db").write_bytes(
        b"s" + (backup / "state.db").read_bytes()[1:]
    ),
    "gone": lambda backup: (backup / "vectors.db").unlink(),
    "no sense": lambda backup: (backup / "manifest.json").write_text("{", "utf-8"),
    "a list": lambda backup: (backup / "manifest.json").write_text("[]", "utf-8"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup(origin: Origin, shelf: Shelf, tmp_path: Path, damage: str) -> None:
    """Every damage is found before anything on the machine is touched."""
    backup = saved(origin, shelf)
    DAMAGES[damage](backup)
    with pytest.raises(BackupDamagedError):
        target(backup, tmp_path).verify(quiet)
    with pytest.raises(BackupDamagedError):
        target(backup, tmp_path).put(quiet)
    assert not (tmp_path / "fresh" / "state" / "state.db").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "models/../../evil/x", "chroma/x", "x"])
def test_a_backup_leads_nowhere_else(
    origin: Origin, shelf: Shelf, tmp_path: Path, name: str
) -> None:
    """A manifest cannot name a file outside of where backups belong."""
    backup = saved(origin, shelf)
    values = json.loads((backup / "manifest.json").read_text("utf-8"))
    values["files"][name] = {"bytes": 1, "sha256": ""}
    (backup / "manifest.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(BackupDamagedError, match="makes no sense"):
        target(backup, tmp_path)


def test_a_backup_of_a_newer_format(origin: Origin, shelf: Shelf, tmp_path: Path) -> None:
    """What a later version wrote in another form is refused, not guessed at."""
    backup = saved(origin, shelf)
    values = json.loads((backup / "manifest.json").read_text("utf-8"))
    (backup / "manifest.json").write_text(json.dumps({**values, "format": 2}), "utf-8")
    with pytest.raises(StateError, match="format 2"):
        target(backup, tmp_path)


def test_a_backup_of_a_newer_schema(origin: Origin, shelf: Shelf, tmp_path: Path) -> None:
    """A table of a later version is refused, and nothing is put in place."""
    with closing(sqlite3.connect(origin.location.state_dir / "state.db")) as table, table:
        table.execute("UPDATE alembic_version SET version_num = '9999'")
    work = target(saved(origin, shelf), tmp_path)
    for put in (work.verify, work.put):
        with pytest.raises(StateError, match="schema 9999") as caught:
            put(quiet)
        assert "newer version" in caught.value.hint
    assert not (tmp_path / "fresh" / "state" / "state.db").exists()


def test_a_broken_table_makes_no_backup(origin: Origin, shelf: Shelf) -> None:
    """A table with a broken page is found out, and the backup of the day before stays."""
    first = saved(origin, shelf)
    file = origin.location.state_dir / "state.db"
    data = bytearray(file.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    file.write_bytes(data)
    with pytest.raises(StateDamagedError), shelf.locked():
        save.save(origin, shelf, quiet)
    assert list(shelf.root.iterdir()) == [first]


def test_the_oldest_leave(origin: Origin, shelf: Shelf) -> None:
    """Only complete backups count, the newest stay, and their names never collide."""
    made = [saved(origin, shelf) for _ in range(4)]
    assert sorted(made) == made
    (shelf.root / "2026-01-01T00-00-00Z").mkdir()  # not complete: not ours to count
    with shelf.locked():
        assert shelf.keep(2) == made[:2]
    assert shelf.backups() == made[2:]
    assert chosen(shelf.root) == made[3]
    assert chosen(made[2]) == made[2]


def test_a_folder_of_something_else(shelf: Shelf) -> None:
    """A folder with other things in it was not meant."""
    shelf.root.mkdir()
    (shelf.root / "lost+found").mkdir()
    shelf.check()
    (shelf.root / "thesis.odt").touch()
    with pytest.raises(OccupiedError, match=r"thesis\.odt"):
        shelf.check()
    with pytest.raises(NotFoundError):
        chosen(shelf.root)


def test_one_backup_at_a_time(shelf: Shelf) -> None:
    """Two at once would clear away each other's work."""
    with shelf.locked(), pytest.raises(BusyError), Shelf(shelf.root).locked():
        pass


def test_no_room(
    origin: Origin, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a backup nor a restore begins what the disk cannot hold."""
    backup = saved(origin, shelf)
    for module in (save, restore):
        monkeypatch.setattr(module, "free_bytes", lambda _root: room.SPARE_BYTES)
    with pytest.raises(DiskFullError, match="0 MiB") as caught, shelf.locked():
        save.save(origin, shelf, quiet)
    assert caught.value.hint == room.ROOM
    with pytest.raises(DiskFullError):
        target(backup, tmp_path).check(force=True)
    assert list(shelf.root.iterdir()) == [backup]


def test_a_disk_that_fills_meanwhile(shelf: Shelf) -> None:
    """What SQLite says of a full disk ends in the code for full disks."""
    with pytest.raises(DiskFullError), room.told(shelf.root):
        raise FullError("full")


def test_nothing_to_back_up(tmp_path: Path, shelf: Shelf) -> None:
    """An instance without a table has no backup; one on a server has tools of its own."""
    with pytest.raises(NotFoundError), save.opened(Origin(place(tmp_path))):
        pass
    elsewhere = Location(None, tmp_path, tmp_path, "sqlite://")
    with pytest.raises(UnavailableError), save.opened(Origin(elsewhere)):
        pass
    with pytest.raises(UnavailableError):
        Restore(saved_manifest(tmp_path), elsewhere, tmp_path)


def saved_manifest(folder: Path) -> Path:
    """A folder with nothing but a manifest."""
    manifest.Manifest("", "", "", "", {}, (), {"state.db": manifest.Copied(0, "")}).write(folder)
    return folder
