"""Absence of evidence is not deletion: the real daemon, real mounts, and every way to be fooled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from daemon import environment, eventually
from namespaced import NamespacedDaemon, needs_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {"a.md", "b.md", "sub/c.md", "sub/deep/d.md"}


def write(folder: Path, *names: str) -> None:
    """Write a document under each name, that tells its name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n\nThis is the text of {name}.\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with documents."""
    write(tmp_path / "docs", *FILES)
    return tmp_path / "docs"


@pytest.fixture
def daemon(folder: Path, tmp_path: Path) -> Iterator[NamespacedDaemon]:
    """A daemon on it, in a mount namespace of its own."""
    needs_namespaces()
    with NamespacedDaemon(folder, tmp_path / "state") as running:
        yield running


def status(daemon: NamespacedDaemon) -> dict[str, Any]:
    """The source, as ``status`` tells of it."""
    found: dict[str, Any] = json.loads(daemon.verb("status", "--json").stdout)["sources"][0]
    return found


def is_held(daemon: NamespacedDaemon, state: str, reason: str, paths: set[str] = FILES) -> None:
    """Wait until the source is held; everything is searchable, and log and status say why."""
    event = f"source_{state}"
    eventually(lambda: daemon.events(event), 30)
    daemon.verb("reconcile")
    assert daemon.paths() == paths
    told = status(daemon)
    assert (told["status"], told["documents"]["deleted"]) == (state, 0)
    assert reason in told["reason"]
    assert reason in daemon.last(event)["reason"]
    assert daemon.process.poll() is None


def is_back(daemon: NamespacedDaemon, folder: Path) -> None:
    """Wait until the source is online by itself; an edit made now is taken up."""
    eventually(lambda: status(daemon)["status"] == "online", 30)
    write(daemon.seen(folder), "new.md")
    eventually(lambda: daemon.paths() == FILES | {"new.md"}, 30)


def test_a_root_that_is_renamed_away(daemon: NamespacedDaemon, folder: Path) -> None:
    """A missing root is offline, cannot be accepted, and is back when its name is."""
    folder.rename(folder.with_name("away"))
    is_held(daemon, "offline", "not there")
    daemon.verb("reconcile", "--accept-deletes", "docs")
    assert daemon.paths() == FILES
    folder.with_name("away").rename(folder)
    is_back(daemon, folder)


def test_an_empty_file_system_over_the_root(daemon: NamespacedDaemon, folder: Path) -> None:
    """A mount point without what was mounted, and the other way round, deletes nothing."""
    daemon.inside("mount", "-t", "tmpfs", "none", folder)
    is_held(daemon, "offline", "empty")
    daemon.inside("umount", folder)
    is_back(daemon, folder)


def test_another_file_system_over_the_root(daemon: NamespacedDaemon, folder: Path) -> None:
    """A root on another device keeps its documents until a person says that it is meant."""
    daemon.inside("mount", "-t", "tmpfs", "none", folder)
    write(daemon.seen(folder), "other.md")
    daemon.verb("reconcile")
    eventually(lambda: "other.md" in daemon.paths(), 30)
    is_held(daemon, "offline", "another device", FILES | {"other.md"})
    daemon.verb("reconcile", "--accept-deletes", "docs")
    eventually(lambda: daemon.paths() == {"other.md"}, 30)
    assert status(daemon)["status"] == "online"


def test_a_bind_mount_that_goes(tmp_path: Path, folder: Path) -> None:
    """A root that was a bind mount shows an empty folder when it is unmounted."""
    needs_namespaces()
    point = tmp_path / "point"
    point.mkdir()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    wrap = ("unshare", "-m", "sh", "-c", script, "sh", str(folder), str(point))
    with NamespacedDaemon(point, tmp_path / "state", wrap=wrap) as daemon:
        assert daemon.paths() == FILES
        daemon.inside("umount", point)
        is_held(daemon, "offline", "empty")
        daemon.inside("mount", "--bind", folder, point)
        eventually(lambda: status(daemon)["status"] == "online", 30)
        write(folder, "new.md")
        eventually(lambda: daemon.paths() == FILES | {"new.md"}, 30)


def test_a_file_system_inside_the_root_that_goes(daemon: NamespacedDaemon, folder: Path) -> None:
    """What was on it waits, other deletions go on, and it may be let go by a person."""
    (folder / "disk").mkdir()
    daemon.inside("mount", "-t", "tmpfs", "none", folder / "disk")
    inner = {f"disk/{number}.md" for number in range(5)}
    write(daemon.seen(folder), *inner)
    eventually(lambda: daemon.paths() == FILES | inner, 30)
    daemon.inside("umount", folder / "disk")
    is_held(daemon, "held", "not mounted", FILES | inner)
    (folder / "a.md").unlink()
    eventually(lambda: daemon.paths() == FILES - {"a.md"} | inner, 30)
    assert status(daemon)["status"] == "held"
    daemon.verb("reconcile", "--accept-deletes", "docs")
    eventually(lambda: daemon.paths() == FILES - {"a.md"}, 30)
    assert status(daemon)["status"] == "online"


def test_a_file_system_over_a_folder_hides_nothing(daemon: NamespacedDaemon, folder: Path) -> None:
    """What a mount inside the root covers is held too, and is back with the end of the mount."""
    daemon.inside("mount", "-t", "tmpfs", "none", folder / "sub")
    is_held(daemon, "held", "not mounted")
    daemon.inside("umount", folder / "sub")
    is_back(daemon, folder)


def test_most_files_gone_at_once(tmp_path: Path) -> None:
    """A live removal of most files is held as a whole, and let through by a person."""
    needs_namespaces()
    names = {f"{number % 3}/{number}.md" for number in range(40)}
    write(tmp_path / "docs", *names)
    with NamespacedDaemon(tmp_path / "docs", tmp_path / "state", wrap=()) as daemon:
        kept = {name for name in names if name.startswith("0/")}
        for part in ("1", "2"):
            shutil.rmtree(tmp_path / "docs" / part)
        eventually(lambda: daemon.events("source_held"), 30)
        assert daemon.paths() == names
        assert "gone at once" in daemon.last("source_held")["reason"]
        assert "--accept-deletes docs" in daemon.last("source_held")["hint"]
        daemon.verb("reconcile", "--accept-deletes", "docs")
        eventually(lambda: daemon.paths() == kept, 30)


def test_a_root_that_may_not_be_read(folder: Path, tmp_path: Path) -> None:
    """A daemon without the right to read keeps everything, and goes on when it has the right."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    wrap = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    with NamespacedDaemon(folder, tmp_path / "state", wrap=wrap) as daemon:
        folder.chmod(0)
        reconcile(daemon, *wrap)
        assert status(daemon)["reason"] == "Permission denied"
        assert (status(daemon)["status"], daemon.paths()) == ("offline", FILES)
        folder.chmod(0o700)
        (folder / "sub").chmod(0)
        reconcile(daemon, *wrap)
        assert (status(daemon)["status"], daemon.paths()) == ("online", FILES)
        (folder / "sub").chmod(0o700)
        write(folder, "sub/new.md")
        eventually(lambda: daemon.paths() == FILES | {"sub/new.md"}, 30)


def reconcile(daemon: NamespacedDaemon, *wrap: str) -> None:
    """Scan with the daemon's own rights."""
    command = (sys.executable, "-m", "ingestd", "reconcile", "--state-dir", str(daemon.state))
    subprocess.run([*wrap, *command], check=True, env=environment("hash"))
