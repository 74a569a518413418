"""The probe of a Chroma directory that nobody has open: real files, damaged one by one."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import chromadb
import numpy as np
import pytest

from ingestd.embed.chroma import ended
from ingestd.embed.chroma.aside import EVERYTHING, FOLDER, remove_folders, set_all_aside, set_aside
from ingestd.embed.chroma.health import DATABASE, Finding, Health, Verdict, check_pages, probe
from ingestd.embed.chroma.pickled import DamagedError, UnknownFormatError, read_labels
from ingestd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBER = 3_000
MAKE = """
import sys, numpy as np
from pathlib import Path
from ingestd.settings.content import StoreSettings
from ingestd.embed.chroma.store import open_embedded
from ingestd.embed.model import locate

number = int(sys.argv[2])
store = open_embedded(StoreSettings(), Path(sys.argv[1]))
docs = store.collection("docs", locate("hash:32"), None)
rows = np.random.default_rng(0).standard_normal((number, 32)).astype(np.float32)
ids = [f"d{n // 20}-{n % 20} 문서" for n in range(number)]
docs.upsert(ids, rows, [f"text {n}" for n in range(number)], [{"n": n} for n in range(number)])
docs.delete(ids[100:200])
docs.upsert(ids[300:400], rows[:100], ["new"] * 100, [{"n": 0}] * 100)
store.collection("empty", locate("hash:32"), None)
store._client.create_collection("theirs", embedding_function=None).upsert(
    ids=["a"], embeddings=[[1.0, 2.0]]
)
store.close()
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with three collections, closed in order."""
    path = tmp_path_factory.mktemp("chroma") / "chroma"
    subprocess.run([sys.executable, "-c", MAKE, str(path), str(NUMBER)], check=True)
    return path


@pytest.fixture
def chroma(template: Path, tmp_path: Path) -> Path:
    """A copy of it, times included."""
    return Path(shutil.copytree(template, tmp_path / "chroma"))


def found(directory: Path, name: str = "docs") -> Finding:
    """What the probe says of a collection."""
    return next(f for f in probe(directory).findings if f.collection == name)


def folder(directory: Path, name: str = "docs") -> Path:
    """The folder of a collection's index."""
    return directory / found(directory, name).segment


def keep_times(path: Path, change: Callable[[Path], None]) -> None:
    """Change a file and put its times back: so the probe must look into it."""
    stat = path.stat()
    change(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path) -> None:
    """Leave the first half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Leave nothing."""
    os.truncate(path, 0)


def grow(path: Path) -> None:
    """Add a page of zeros."""
    os.truncate(path, path.stat().st_size + 4096)


def flip(path: Path) -> None:
    """Turn every bit of the middle third."""
    raw = bytearray(path.read_bytes())
    third = len(raw) // 3
    raw[third : 2 * third] = bytes(255 - byte for byte in raw[third : 2 * third])
    path.write_bytes(raw)


def test_a_sound_directory(chroma: Path) -> None:
    """After deletions and updates all is well, also of an empty one; whose each is, is told."""
    health = probe(chroma)
    assert {(f.collection, f.ours, f.verdict) for f in health.findings} == {
        ("docs", True, Verdict.SOUND),
        ("empty", True, Verdict.SOUND),
        ("theirs", False, Verdict.SOUND),
    }
    assert health.orphans == []
    assert health.unreadable == ""


def test_a_small_index_that_was_saved(tmp_path: Path) -> None:
    """A new index has room for some elements, and writes that as well: that is no damage."""
    client = chromadb.PersistentClient(str(tmp_path / "chroma"))
    small = client.create_collection(
        "small", embedding_function=None, configuration={"hnsw": {"sync_threshold": 10}}
    )
    for _ in range(3):
        small.upsert(ids=["a", "b", "c", "d"], embeddings=np.eye(4))
    client.close()
    assert found(tmp_path / "chroma", "small").verdict is Verdict.SOUND
    keep_times(folder(tmp_path / "chroma", "small") / "data_level0.bin", cut)
    assert found(tmp_path / "chroma", "small").verdict is Verdict.TORN


def test_nothing_is_written(chroma: Path) -> None:
    """Looking changes no file, and makes none."""
    before = {path: path.stat().st_mtime_ns for path in chroma.rglob("*")}
    probe(chroma)
    assert {path: path.stat().st_mtime_ns for path in chroma.rglob("*")} == before


def test_no_directory_and_an_empty_one(tmp_path: Path) -> None:
    """Where there is nothing, nothing is wrong."""
    assert probe(tmp_path / "none") == Health()
    assert probe(tmp_path) == Health()


@pytest.mark.parametrize("change", [cut, empty, grow, flip])
@pytest.mark.parametrize(
    "name",
    ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"],
)
def test_a_damaged_file_of_an_index(
    chroma: Path, name: str, change: Callable[[Path], None]
) -> None:
    """Cut, emptied, grown or garbled, whatever its times are: torn, and the file is named."""
    if (name, change) == ("length.bin", flip):
        pytest.skip("the lengths of vectors: any number is one, and Chroma makes nothing of them")
    keep_times(folder(chroma) / name, change)
    finding = found(chroma)
    assert finding.verdict is Verdict.TORN
    assert name in finding.reason
    assert found(chroma, "theirs").verdict is Verdict.SOUND


@pytest.mark.parametrize("name", ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin"])
def test_a_save_that_was_not_finished(chroma: Path, name: str) -> None:
    """A file that is newer than the pickle, which is written last, is of another save."""
    later = (folder(chroma) / "index_metadata.pickle").stat().st_mtime_ns + 1
    os.utime(folder(chroma) / name, ns=(later, later))
    assert found(chroma).reason == (
        f"{name} is newer than index_metadata.pickle: the last save was not finished"
    )


@pytest.mark.parametrize(
    "name",
    ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle"],
)
def test_a_file_that_is_gone(chroma: Path, name: str) -> None:
    """Some files of an index without the others are torn."""
    (folder(chroma) / name).unlink()
    assert found(chroma).reason == f"{name} is missing"


def test_an_index_that_is_gone(chroma: Path) -> None:
    """Without its folder all vectors are missing, but for those in the log."""
    shutil.rmtree(folder(chroma))
    finding = found(chroma)
    assert finding.verdict is Verdict.TORN
    assert "vectors are missing" in finding.reason


def test_an_index_of_another_time(chroma: Path) -> None:
    """A folder that fits in itself, but not to the table, is torn: vectors would be missing."""
    with sqlite3.connect(chroma / DATABASE) as database:
        segment = database.execute(
            "SELECT m.id FROM segments m JOIN collections c ON c.id = m.collection "
            "WHERE c.name = 'docs' AND m.scope = 'METADATA'"
        ).fetchone()[0]
        database.execute(
            "UPDATE embeddings SET embedding_id = 'other' WHERE segment_id = ? AND "
            "embedding_id = 'd0-0 문서'",
            (segment,),
        )
    database.close()
    assert "other ids" in found(chroma).reason


@pytest.mark.parametrize("change", [cut, empty, flip])
def test_a_damaged_database(chroma: Path, change: Callable[[Path], None]) -> None:
    """Without the table that says what belongs to what, the whole directory is unreadable."""
    change(chroma / DATABASE)
    health = probe(chroma)
    assert [f.verdict for f in health.findings] == [Verdict.UNREADABLE]
    assert DATABASE in health.unreadable
    assert health.orphans == []


def test_a_database_that_is_gone(chroma: Path) -> None:
    """Indexes without the database are unreadable too; nobody could tell whose they are."""
    (chroma / DATABASE).unlink()
    assert probe(chroma).unreadable == f"{DATABASE} is missing"


def test_a_page_of_the_database(chroma: Path) -> None:
    """A broken page in the middle is found, of whatever table it is."""
    size = (chroma / DATABASE).stat().st_size // 4096
    with (chroma / DATABASE).open("r+b") as file:
        for page in range(size // 2, size // 2 + 40):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    assert DATABASE in probe(chroma).unreadable


def test_the_check_of_the_pages_ends_in_time(chroma: Path) -> None:
    """With no time left nothing is checked, and nothing is claimed."""
    with sqlite3.connect(chroma / DATABASE) as database:
        assert check_pages(database, -1.0) == ""
    database.close()


def test_a_transaction_that_was_left(chroma: Path) -> None:
    """What a killed process had begun is taken back by SQLite; the directory is sound."""
    script = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE embedding_metadata SET int_value = int_value + 1")
database.execute("DELETE FROM embeddings")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, str(chroma / DATABASE)], check=False)
    assert (chroma / f"{DATABASE}-journal").exists()
    assert found(chroma).verdict is Verdict.SOUND


def test_a_database_in_use_is_no_damage(chroma: Path) -> None:
    """What cannot be read now is an error, not a verdict: nothing may be thrown away for it."""
    with sqlite3.connect(chroma / DATABASE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            probe(chroma)
    other.close()


def test_orphans(chroma: Path) -> None:
    """Folders named as indexes that belong to no collection are listed; other folders are not."""
    orphan = "0b4f0f6e-6b1c-4d5e-9a55-1f1f4f2f6a01"
    (chroma / orphan).mkdir()
    (chroma / "notes").mkdir()
    assert probe(chroma).orphans == [orphan]
    remove_folders(chroma, probe(chroma).orphans)
    assert probe(chroma).orphans == []
    assert (chroma / "notes").exists()


def test_a_quick_look(chroma: Path) -> None:
    """It says where what is, and judges nothing."""
    name = folder(chroma).name
    empty(folder(chroma) / "header.bin")
    health = probe(chroma, quick=True)
    assert (name, Verdict.SOUND) in {(f.segment, f.verdict) for f in health.findings}


# The pickle, by itself.


def pickled(path: Path, value: object, protocol: int = 3) -> Path:
    """Write a value as Python pickles it."""
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def test_a_pickle_that_would_run_code(tmp_path: Path) -> None:
    """Nothing is unpickled: a call in the file is damage."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "evil"),)

    with pytest.raises(DamagedError):
        read_labels(pickled(tmp_path / "p", {"id_to_label": Evil()}))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_another_protocol_is_not_judged(tmp_path: Path, protocol: int) -> None:
    """A file of another version of Chroma is no damage."""
    with pytest.raises(UnknownFormatError):
        read_labels(pickled(tmp_path / "p", {"id_to_label": {}}, protocol))


def test_every_cut_of_a_pickle_is_damage(template: Path, tmp_path: Path) -> None:
    """However much of its end is missing, it shows; and so does anything after its end."""
    raw = (folder(template) / "index_metadata.pickle").read_bytes()
    for size in [*range(300), *range(300, len(raw), 997), *range(len(raw) - 20, len(raw))]:
        (tmp_path / "p").write_bytes(raw[:size])
        with pytest.raises(DamagedError):
            read_labels(tmp_path / "p")
    (tmp_path / "p").write_bytes(raw + b"\0")
    with pytest.raises(DamagedError):
        read_labels(tmp_path / "p")


def test_what_the_pickle_says(template: Path) -> None:
    """All ids that were not deleted have a place; deleted ones have used one up."""
    path = folder(template) / "index_metadata.pickle"
    raw = path.read_bytes()
    labels = read_labels(path, frozenset({"d0-0 문서", "unknown"}))
    theirs = pickle.loads(raw)  # noqa: S301 - we made it
    assert labels.added == theirs["total_elements_added"]
    assert labels.ids == len(theirs["id_to_label"])
    assert labels.settled == labels.ids - 1
    names = set(theirs["id_to_label"]) - {"d0-0 문서"}
    assert labels.hashes == sum(map(hash, names))


@pytest.mark.limit_memory("8 MB")
def test_memory_for_a_large_pickle(tmp_path: Path) -> None:
    """A hundred thousand ids, or a text that claims to be huge, take no memory."""
    entry = b"X\x24\x00\x00\x00%036dJ%s"
    with (tmp_path / "p").open("wb") as file:
        file.write(b"\x80\x03}(X\x0b\x00\x00\x00id_to_label}(")
        for number in range(100_000):
            file.write(entry % (number, struct.pack("<i", number)))
        file.write(b"uu.")
    with pytest.raises(DamagedError, match="differ"):
        read_labels(tmp_path / "p")
    (tmp_path / "p").write_bytes(b"\x80\x03}(X\xff\xff\xff\xff" + b"x" * 100)
    with pytest.raises(DamagedError, match="too early"):
        read_labels(tmp_path / "p")


# What is set aside.


def test_setting_an_index_aside(chroma: Path) -> None:
    """It is moved, whole; the one that was there before goes; one that is not there is no error."""
    segment = folder(chroma).name
    sizes = {path.name: path.stat().st_size for path in (chroma / segment).iterdir()}
    place = set_aside(chroma, segment)
    assert place == chroma / FOLDER / segment
    assert {path.name: path.stat().st_size for path in place.iterdir()} == sizes
    assert set_aside(chroma, segment) is None
    (chroma / segment).mkdir()
    (chroma / segment / "newer").touch()
    assert set_aside(chroma, segment) == place
    assert [path.name for path in place.iterdir()] == ["newer"]


def test_no_copy_is_kept_without_room(chroma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is nearly full, what is broken is removed: the new index needs the room."""
    segment = folder(chroma).name
    usage = shutil.disk_usage(chroma)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert set_aside(chroma, segment) is None
    assert not (chroma / segment).exists()
    assert set_all_aside(chroma) is None
    assert list(chroma.iterdir()) == []


def test_setting_everything_aside(chroma: Path) -> None:
    """Nothing is left for Chroma to open, and one copy of all of it is kept."""
    names = {path.name for path in chroma.iterdir()}
    set_aside(chroma, folder(chroma).name)
    place = set_all_aside(chroma)
    assert place == chroma / FOLDER / EVERYTHING
    assert [path.name for path in chroma.iterdir()] == [FOLDER]
    assert {path.name for path in place.iterdir()} < names
    assert probe(chroma) == Health()
    assert set_all_aside(chroma) is None
    assert place.is_dir()


# The note of an end in order.


def test_the_note_of_an_end_in_order(chroma: Path) -> None:
    """It holds until any file of Chroma's changes, or until it is taken away."""
    assert not ended.matches(chroma)
    ended.record(chroma)
    assert ended.matches(chroma)
    (chroma / FOLDER).mkdir()
    assert ended.matches(chroma)
    keep = folder(chroma) / "length.bin"
    os.utime(keep)
    assert not ended.matches(chroma)
    ended.record(chroma)
    ended.forget(chroma)
    assert not ended.matches(chroma)
    ended.forget(chroma)


def test_a_damaged_note_is_none(chroma: Path) -> None:
    """Whatever stands in it, it is not believed."""
    for text in ("", "{", "[]", '{"a": 1}'):
        (chroma / ended.NAME).write_text(text, "ascii")
        assert not ended.matches(chroma)
        assert not ended.unwritten(chroma)
