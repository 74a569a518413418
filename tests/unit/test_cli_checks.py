"""What ``doctor`` finds when something precise is broken."""

from __future__ import annotations

import json
import os
import shutil
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import check_parts, check_store, check_system, doctor, table
from ingestd.config import Settings
from ingestd.instance import lock_chroma
from ingestd.location import Location, locate
from ingestd.lock import FileLock, Owner, holder
from ingestd.ownership import take_lock
from ingestd.settings.content import StoreSettings
from ingestd.settings.running import LimitSettings
from ingestd.tables import open_state
from ingestd.watch import mounts
from ingestd_state import vectors

if TYPE_CHECKING:
    from pathlib import Path

    from ingestd.cli.checks import Finding


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    """An instance without anything in it."""
    monkeypatch.setenv("INGESTD_CACHE_DIR", str(tmp_path / "cache"))
    return locate(state_dir=tmp_path / "state")


def levels(findings: list[Finding]) -> dict[str, str]:
    """The results by name."""
    return {one.name: one.level for one in findings}


def test_the_quick_verbs_see_the_locks_of_the_daemon(location: Location) -> None:
    """The quick verbs look at the locks that the daemon holds."""
    with take_lock(location, Owner.me("run")), lock_chroma(location):
        owner = table.running(location)
        assert owner is not None
        assert owner.verb == "run"
        assert holder(location.state_dir / "ingestd.lock") == owner
        held = holder(location.state_dir / "chroma.lock")
        assert held is not None
        assert held.verb == "chroma"


def test_a_taken_port_fails(location: Location) -> None:
    """A port that somebody else listens on is told with what mends it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(store=StoreSettings(port=server.getsockname()[1]))
        [found] = check_store.port(settings, location)
    assert found.level == "fail"
    assert "--port" in found.mend


def test_our_own_port_is_fine(location: Location) -> None:
    """The port of the running daemon is not a conflict."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        owner = Owner.me("run", store_url=f"http://127.0.0.1:{port}")
        with FileLock(location.lock_file).acquire(owner):
            settings = Settings(store=StoreSettings(port=port))
            [found] = check_store.port(settings, location)
    assert found.level == "ok"


def test_a_store_that_does_not_answer_fails(location: Location) -> None:
    """A daemon whose Chroma server is gone is told."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        owner = Owner.me("run", store_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with FileLock(location.lock_file).acquire(owner):
            [found] = check_store.store(Settings(), location)
    assert found.level == "fail"


def test_a_left_over_chroma_is_told(location: Location) -> None:
    """A Chroma process whose daemon is gone is named by its process id."""
    location.state_dir.mkdir()
    with FileLock(location.chroma_lock_file).acquire(Owner.me("chroma")) as held:
        child = os.fork()
        if child == 0:  # the child inherits the lock, and keeps it until it is told to end
            os.read(held.fileno(), 0)
            signal_wait()
        try:
            held.release()
            found = list(check_parts.locks(Settings(), location))
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert levels(found) == {"daemon": "ok", "Chroma lock": "warn"}
    assert found[1].mend.endswith(f"kill {child}")


def signal_wait() -> None:
    """Wait in a child until it is killed; never returns."""
    import signal

    while True:
        signal.pause()


def test_a_damaged_state_table_fails_alone(location: Location) -> None:
    """A state table that is no database is one finding, not the end of the check-up."""
    location.state_dir.mkdir()
    (location.state_dir / "state.db").write_bytes(b"not a database" * 100)
    found = levels(doctor.examine(None, location.state_dir))
    assert found["state table"] == "fail"
    assert found["chromadb"] == "ok"


def test_a_missing_model_fails(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not there is told by its name."""
    monkeypatch.setenv("INGESTD_MODEL__NAME", "/no/such/model")
    found = {one.name: one for one in doctor.examine(None, location.state_dir)}
    assert found["model"].level == "fail"
    assert "/no/such/model" in found["model"].message


def test_a_wrong_configuration_fails_alone(location: Location, tmp_path: Path) -> None:
    """With a configuration that cannot be read, the rest is checked with the defaults."""
    config = tmp_path / "config.toml"
    config.write_text("[store]\nprot = 1\n", "utf-8")
    found = levels(doctor.examine(config, location.state_dir))
    assert found["configuration"] == "fail"
    assert found["Python"] == "ok"


def test_watches_are_counted_against_the_limit(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More directories than watches fail, and the setting that helps is named."""
    for number in range(20):
        (tmp_path / "docs" / str(number)).mkdir(parents=True)
    limits = tmp_path / "inotify"
    limits.mkdir()
    (limits / "max_user_watches").write_text("20\n")
    (limits / "max_queued_events").write_text("16384\n")
    monkeypatch.setattr(check_system, "INOTIFY", limits)
    settings = Settings.model_validate({"sources": [{"path": tmp_path / "docs"}]})
    watches, queue = check_system.inotify(settings, location)
    assert (watches.level, queue.level) == ("fail", "ok")
    assert watches.message.startswith("21 directories")
    assert "fs.inotify.max_user_watches=" in watches.mend


def test_the_sandbox_is_tried(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hostile file could do is told, and what the kernel would have to grant."""
    settings = Settings()
    [found] = check_system.sandbox(settings, location)
    assert found.level == ("warn" if found.mend else "ok")
    said = {
        "walls": {"network": "", "rights": True, "files": 0, "calls": True},
        "possible": ["read another file"],
    }

    def answer(*_arguments: object, **_options: object) -> SimpleNamespace:
        return SimpleNamespace(stdout=json.dumps(said).encode())

    monkeypatch.setattr(check_system.subprocess, "run", answer)
    [found] = check_system.sandbox(settings, location)
    assert (found.level, found.message) == ("warn", "a hostile file could read another file")
    assert found.mend == "Use a kernel, or a container, that grants network namespace and Landlock."
    said["possible"] = []
    [found] = check_system.sandbox(settings, location)
    assert found.level == "ok"
    assert "no network namespace, no Landlock, seccomp" in found.message
    off = Settings.model_validate({"extract": {"sandbox": "off"}})
    [found] = check_system.sandbox(off, location)
    assert found.level == "warn"


def test_file_systems_without_events_are_told(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source on a network file system works, with a limit that is told."""
    (tmp_path / "docs").mkdir()
    docs = tmp_path / "docs"
    mounted(monkeypatch, (b"/", "ext4"), (os.fsencode(docs), "nfs4"))
    settings = Settings.model_validate({"sources": [{"path": docs}]})
    [found] = check_system.sources(settings, location)
    assert found.level == "warn"
    assert "nfs4" in found.message
    assert "every 60 s" in found.message


def mounted(monkeypatch: pytest.MonkeyPatch, *found: tuple[bytes, str]) -> None:
    """Have the machine look as if just this were mounted."""
    table = [mounts.Mount(number, path, kind) for number, (path, kind) in enumerate(found)]
    monkeypatch.setattr(mounts, "table", lambda: table)


@pytest.mark.parametrize(
    ("kind", "level"), [("nfs4", "fail"), ("fuse.sshfs", "warn"), ("ext4", "")]
)
def test_a_state_directory_where_locks_do_not_hold_is_told(
    location: Location, monkeypatch: pytest.MonkeyPatch, kind: str, level: str
) -> None:
    """On a network share two daemons could write at once; a local disk is fine."""
    mounted(monkeypatch, (b"/", kind))
    found = levels(list(check_system.state_directory(Settings(), location)))
    assert found.get("file system", "") == level


def test_too_little_space_for_the_watermark_is_told(location: Location) -> None:
    """Below ``limits.free_bytes`` writing waits: that fails; little more than it is a warning."""
    location.state_dir.mkdir()
    free = shutil.disk_usage(location.state_dir).free
    for keep, level in ((free * 2, "fail"), (int(free * 0.8), "warn"), (free // 10, "")):
        settings = Settings(limits=LimitSettings(free_bytes=keep))
        found = levels(list(check_system.state_directory(settings, location)))
        assert found.get("free space", "") == level
        assert found["state directory"] == "ok"


def test_a_damaged_state_table_names_its_cure(location: Location) -> None:
    """Whether its header is broken or a page in the middle: the command that mends it is told."""
    for start in (0, 4096 * 4):
        prepare(location)
        garble(location.state_dir / "state.db", start)
        found = {one.name: one for one in doctor.examine(None, location.state_dir)}
        assert found["state table"].level == "fail"
        assert "mv " in found["state table"].mend
        assert found["vectors cache"].level == "ok"
        shutil.rmtree(location.state_dir)


def test_a_damaged_cache_is_a_warning(location: Location) -> None:
    """Nothing is to be done about it: the next start makes it anew."""
    for start in (0, 4096):
        prepare(location)
        garble(location.state_dir / "vectors.db", start)
        found = {one.name: one for one in doctor.examine(None, location.state_dir)}
        assert found["vectors cache"].level == "warn"
        assert found["state table"].level == "ok"
        shutil.rmtree(location.state_dir)


def prepare(location: Location) -> None:
    """Tables with something in the cache."""
    location.state_dir.mkdir(parents=True)
    database, cache = open_state(location)
    with cache.write() as connection:
        vectors.put(connection, "m", [(bytes([n]) * 32, bytes(1536)) for n in range(50)], now=1)
    cache.checkpoint()
    cache.close()
    database.checkpoint()
    database.close()


def garble(file: Path, start: int) -> None:
    """Flip every bit of a page's beginning."""
    data = bytearray(file.read_bytes())
    data[start : start + 100] = bytes(byte ^ 0xFF for byte in data[start : start + 100])
    file.write_bytes(data)
