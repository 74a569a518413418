"""The daemon as a whole: real files, the real watcher, a real Chroma server, a hash model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from daemon import Daemon, eventually, ingestd

from ingestd.lock import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a Markdown document of three sections."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = f"# {path.stem}\n\nIntroduction.\n\n## Facts\n\n{text}\n\n## More\n\nThe end.\n"
    path.write_text(body, encoding="utf-8")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on thirty documents."""
    place = tmp_path_factory.mktemp("daemon")
    for number in range(30):
        write(place / "docs" / f"folder{number % 3}" / f"{number}.md", f"Fact number {number}.")
    with Daemon(place / "docs", place / "state") as running:
        yield running


def paths(handle: Any) -> set[str]:
    """Every path in the collection."""
    return {metadata["path"] for metadata in handle.get(include=["metadatas"])["metadatas"]}


def has_text(handle: Any, text: str) -> bool:
    """Whether some chunk holds this text."""
    return bool(handle.get(where_document={"$contains": text}, include=[])["ids"])


def test_a_start_without_news_loads_no_model(tmp_path: Path) -> None:
    """It watches before its Chroma server answers, and is ready without the model."""
    write(tmp_path / "docs" / "a.md", "Known.")
    daemon = Daemon(tmp_path / "docs", tmp_path / "state")
    with daemon:
        assert daemon.events("model_opened")
    with daemon:
        logged = [json.loads(line)["event"] for line in daemon.log.read_text().splitlines()]
        assert "model_opened" not in logged
        assert logged.index("watching") < logged.index("store_ready") < logged.index("ready")
        write(tmp_path / "docs" / "b.md", "News of today.")
        eventually(lambda: has_text(daemon.collection(), "News of today"), 10)


def test_a_stop_while_the_server_starts(tmp_path: Path) -> None:
    """It ends in order, and its server with it; the next start is as any other."""
    write(tmp_path / "docs" / "a.md", "Known.")
    daemon = Daemon(tmp_path / "docs", tmp_path / "state")
    with daemon.log.open("wb") as log:
        daemon.launch(log)
    eventually(lambda: daemon.events("watching") or daemon.process.poll() is not None)
    assert daemon.stop() == -signal.SIGTERM
    with daemon:
        assert has_text(daemon.collection(), "Known.")


def test_twenty_edits_are_visible_to_another_process(daemon: Daemon) -> None:
    """Each save shows in the collection, and the text it replaced is gone."""
    handle = daemon.collection()
    for number in range(20):
        write(daemon.folder / "folder0" / "0.md", f"Edit-{number}- was made.")
        eventually(lambda n=number: has_text(handle, f"Edit-{n}- was made"), 5)
    assert not has_text(handle, "Edit-18-")
    assert len(handle.get(where={"path": "folder0/0.md"})["ids"]) == len(
        handle.get(where={"path": "folder0/3.md"})["ids"]
    )


def test_a_rename_relabels_the_chunks_and_embeds_nothing(daemon: Daemon) -> None:
    """After a rename the same slots carry the new path, in every key that tells it."""
    handle = daemon.collection()
    before = set(handle.get(where={"path": "folder1/1.md"})["ids"])
    (daemon.folder / "folder1" / "1.md").rename(daemon.folder / "folder1" / "renamed.md")
    eventually(lambda: handle.get(where={"path": "folder1/renamed.md"})["ids"], 5)
    after = handle.get(where={"path": "folder1/renamed.md"})
    assert set(after["ids"]) == before
    assert {m["source"] for m in after["metadatas"]} == {
        str(daemon.folder / "folder1" / "renamed.md")
    }
    assert "folder1/1.md" not in paths(handle)


def test_a_moved_directory_keeps_its_slots(daemon: Daemon) -> None:
    """A directory that is moved is found under its new name, with the same ids."""
    handle = daemon.collection()
    write(daemon.folder / "box" / "inner" / "deep.md", "Moves with its box.")
    before = eventually(lambda: handle.get(where={"path": "box/inner/deep.md"})["ids"], 5)
    (daemon.folder / "box").rename(daemon.folder / "crate")
    after = eventually(lambda: handle.get(where={"path": "crate/inner/deep.md"})["ids"], 5)
    assert set(after) == set(before)
    eventually(lambda: "box/inner/deep.md" not in paths(handle), 5)


def test_a_deleted_file_leaves_the_collection(daemon: Daemon) -> None:
    """A file that is deleted takes its chunks along."""
    handle = daemon.collection()
    (daemon.folder / "folder2" / "2.md").unlink()
    eventually(lambda: "folder2/2.md" not in paths(handle), 5)


def test_a_new_directory_with_files_is_taken_up(daemon: Daemon) -> None:
    """Files that were written before the new directory could be watched are found too."""
    handle = daemon.collection()
    for number in range(50):
        write(daemon.folder / "fresh" / "a" / "b" / f"{number}.md", f"Fresh fact {number}.")
    eventually(lambda: len([p for p in paths(handle) if p.startswith("fresh/")]) == 50, 10)


def test_a_new_ignore_file_takes_documents_out(daemon: Daemon) -> None:
    """What a new .ingestignore rules out leaves the collection; removing it brings it back."""
    handle = daemon.collection()
    write(daemon.folder / "drafts" / "idea.md", "A draft.")
    eventually(lambda: "drafts/idea.md" in paths(handle), 5)
    ignore = daemon.folder / ".ingestignore"
    ignore.write_text("drafts/\n", encoding="utf-8")
    eventually(lambda: "drafts/idea.md" not in paths(handle), 10)
    ignore.unlink()
    eventually(lambda: "drafts/idea.md" in paths(handle), 10)


def test_reindex_from_another_process_is_taken_up_within_two_seconds(daemon: Daemon) -> None:
    """A command writes its wish into the state table; the daemon's tick finds it there."""
    before = len(daemon.events("document_indexed"))
    done = ingestd(*("reindex", daemon.folder / "folder0" / "6.md", "--state-dir", daemon.state))
    assert done.returncode == 0, done.stderr
    eventually(lambda: len(daemon.events("document_indexed")) > before, 2.5)


def test_the_daemon_goes_on_when_the_chroma_server_dies(daemon: Daemon) -> None:
    """The server is started again, and an edit that was made meanwhile arrives."""
    server = psutil.Process(daemon.process.pid).children()[0]
    os.kill(server.pid, signal.SIGKILL)
    write(daemon.folder / "folder0" / "9.md", "Written while the store was down.")
    eventually(lambda: daemon.events("store_died"), 10)

    def arrived() -> bool:
        try:
            return has_text(daemon.collection(), "Written while the store was down")
        except Exception:  # noqa: BLE001 - the server is on its way
            return False

    eventually(arrived, 40)


def test_sigterm_ends_daemon_and_server_and_frees_the_locks(tmp_path: Path) -> None:
    """A stop is graceful and quick, and the exit status says that it was a signal."""
    write(tmp_path / "docs" / "a.md", "One.")
    with Daemon(tmp_path / "docs", tmp_path / "state") as running:
        server = psutil.Process(running.process.pid).children()[0]
        started = time.monotonic()
        status = running.stop()
        assert time.monotonic() - started < 10
        assert status == -signal.SIGTERM
        assert not server.is_running()
        assert holder(tmp_path / "state" / "ingestd.lock") is None
        assert holder(tmp_path / "state" / "chroma.lock") is None


def test_a_second_signal_ends_the_daemon_at_once(tmp_path: Path) -> None:
    """Who asks twice does not want to wait; the server still ends by itself, in its own time."""
    write(tmp_path / "docs" / "a.md", "One.")
    with Daemon(tmp_path / "docs", tmp_path / "state") as running:
        server = psutil.Process(running.process.pid).children()[0]
        server.suspend()  # a server that hangs: the first signal waits for it
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: running.events("stopping"), 5)
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(5) == -signal.SIGTERM
        assert time.monotonic() - started < 1
        server.resume()
        eventually(lambda: not server.is_running() or server.status() == "zombie", 15)


def test_ctrl_c_ends_like_sigterm(tmp_path: Path) -> None:
    """SIGINT is a stop too, and the exit status says so."""
    write(tmp_path / "docs" / "a.md", "One.")
    with Daemon(tmp_path / "docs", tmp_path / "state") as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(15) == -signal.SIGINT


def test_a_killed_daemon_takes_its_server_along_and_starts_again(tmp_path: Path) -> None:
    """After SIGKILL no server is left over, and the next start goes on with the same port."""
    write(tmp_path / "docs" / "a.md", "One.")
    running = Daemon(tmp_path / "docs", tmp_path / "state").start()
    server = psutil.Process(running.process.pid).children()[0]
    running.kill()
    eventually(lambda: not server.is_running() or server.status() == "zombie", 15)
    write(tmp_path / "docs" / "b.md", "Two.")
    with Daemon(tmp_path / "docs", tmp_path / "state", port=running.port) as again:
        assert paths(again.collection()) == {"a.md", "b.md"}


def test_a_second_instance_is_refused_and_told_who_is_first(daemon: Daemon) -> None:
    """Two daemons on one state directory would tear each other's work apart."""
    done = ingestd("run", daemon.folder, "--state-dir", daemon.state)
    assert done.returncode == 6
    assert f"process {daemon.process.pid}" in done.stderr
    assert "hint:" in done.stderr


def test_a_busy_port_is_named_before_anything_starts(daemon: Daemon, tmp_path: Path) -> None:
    """The error says which port, and how to choose another."""
    (tmp_path / "docs").mkdir()
    done = ingestd(
        *("run", tmp_path / "docs", "--state-dir", tmp_path / "state"),
        *("--port", str(daemon.port)),
    )
    assert done.returncode == 7
    assert str(daemon.port) in done.stderr
    assert "--port" in done.stderr


def test_a_root_that_goes_away_loses_nothing_and_comes_back(tmp_path: Path) -> None:
    """A root that is moved away stays searchable, is reported offline, and is watched again."""
    for number in range(3):
        write(tmp_path / "docs" / f"{number}.md", f"Fact {number}.")
    with Daemon(tmp_path / "docs", tmp_path / "state") as running:
        handle = running.collection()
        (tmp_path / "docs").rename(tmp_path / "away")
        eventually(lambda: running.events("source_offline"), 10)
        assert len(paths(handle)) == 3
        shutil.copytree(tmp_path / "away", tmp_path / "docs")
        write(tmp_path / "docs" / "new.md", "Back again.")
        eventually(lambda: "new.md" in paths(handle), 90)
        assert len(paths(handle)) == 4
