"""What ``doctor`` finds when something precise is broken."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from ingestd.cli import check_parts, check_system, doctor, table
from ingestd.config import Settings, StoreSettings
from ingestd.instance import lock_chroma, take_lock
from ingestd.location import Location, locate
from ingestd.lock import FileLock, Owner, holder

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
        [found] = check_parts.port(settings, location)
    assert found.level == "fail"
    assert "--port" in found.mend


def test_our_own_port_is_fine(location: Location) -> None:
    """The port of the running daemon is not a conflict."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        owner = Owner.me("run", store_url=f"http://127.0.0.1:{port}")
        with FileLock(location.lock_file).acquire(owner):
            settings = Settings(store=StoreSettings(port=port))
            [found] = check_parts.port(settings, location)
    assert found.level == "ok"


def test_a_store_that_does_not_answer_fails(location: Location) -> None:
    """A daemon whose Chroma server is gone is told."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        owner = Owner.me("run", store_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with FileLock(location.lock_file).acquire(owner):
            [found] = check_parts.store(Settings(), location)
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


def test_file_systems_without_events_are_told(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source on a network file system works, with a limit that is told."""
    (tmp_path / "docs").mkdir()
    mounts = [(str(tmp_path / "docs"), "nfs4"), ("/", "ext4")]
    monkeypatch.setattr(check_system, "_mounts", lambda: mounts)
    settings = Settings.model_validate({"sources": [{"path": tmp_path / "docs"}]})
    [found] = check_system.sources(settings, location)
    assert found.level == "warn"
    assert "nfs4" in found.message


def test_this_machine_has_mounts() -> None:
    """The table of mounts can be read here, and has the root."""
    assert "/" in dict(check_system._mounts())  # noqa: SLF001 - the reader of /proc itself
