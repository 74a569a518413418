"""The real program, from the shell's side."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT_S = 90
# Without these two capabilities, root too must obey the rights of a file.
OBEDIENT = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@dataclass
class Home:
    """An instance with its documents, and the program on it."""

    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    obedient: bool = False

    @property
    def docs(self) -> Path:
        """The folder that is indexed."""
        return self.folder / "docs"

    @property
    def command(self) -> list[str]:
        """How the program is called."""
        prefix = ["-c", OBEDIENT] if self.obedient else []
        return [sys.executable, *prefix, "-m", "ingestd"]

    @property
    def environment(self) -> dict[str, str]:
        """A clean environment: nothing of the person who runs the tests."""
        kept = {name: value for name, value in os.environ.items() if "INGESTD" not in name}
        return {
            **kept,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "INGESTD_STATE_DIR": str(self.folder / "state"),
            "INGESTD_MODEL__NAME": "hash",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "TERM": "dumb",
            "COLUMNS": "200",
            **self.extra,
        }

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, and see that it ends with this code."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """The JSON lines that a verb prints."""
        done = self.run(*arguments, "--json", code=code)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def write(self, name: str, text: str) -> None:
        """Write a document."""
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def make_home(folder: Path) -> Home:
    """Three files, one of which is no document, and one excluded."""
    home = Home(folder)
    home.write("alpha.md", "# Alpha\n\nThe cat sat on the mat.\n")
    home.write("sub/beta.md", "# Beta\n\nDogs bark at night.\n")
    (home.docs / "data.bin").write_bytes(bytes(range(256)) * 8)
    home.write("node_modules/x.md", "left out")
    return home


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An instance that has been indexed once; tests only look at it."""
    home = make_home(tmp_path_factory.mktemp("indexed"))
    home.run("run", "--once", str(home.docs))
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An instance that a test may change; nothing is indexed yet."""
    return make_home(tmp_path)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, with a deadline."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in time"
        time.sleep(0.05)


@pytest.fixture
def daemon(home: Home) -> Iterator[Home]:
    """An instance with a running daemon and its Chroma server."""
    log = home.folder / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*home.command, "run", str(home.docs), "--port", str(free_port())],
            cwd=home.folder,
            env=home.environment,
            stderr=output,
        )
    try:
        wait_for(lambda: b'"ready"' in log.read_bytes() or process.poll() is not None, "daemon")
        assert process.poll() is None, log.read_text("utf-8")
        yield home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


def test_help_without_arguments(indexed: Home) -> None:
    """The bare program prints its help, with every exit code, and ends well."""
    shown = indexed.run().stdout
    assert "reindex" in shown
    assert "Exit codes" in shown


def test_versions(indexed: Home) -> None:
    """The version is printed alone, or with those of the libraries."""
    import ingestd

    assert indexed.run("--version").stdout == f"ingestd {ingestd.__version__}\n"
    [found] = indexed.json("version")
    assert found["ingestd"] == ingestd.__version__
    assert found["libraries"]["chromadb"]


def test_a_wrong_option_is_a_usage_error(indexed: Home) -> None:
    """Wrong options end with 2."""
    indexed.run("ls", "--nonsense", code=2)
    indexed.run("ls", "--status", "nonsense", code=2)
    indexed.run("reindex", "--all", "--failed", code=2)
    indexed.run("reindex", "--timeout", "1", code=2)


def test_status(indexed: Home) -> None:
    """The counts, the source and the absence of a daemon are told."""
    [found] = indexed.json("status")
    assert found["running"] is False
    assert found["documents"]["indexed"] == 2
    assert found["documents"]["skipped"] == 1
    assert found["chunks"]["live"] == 2
    assert found["vectors"]["count"] == 2
    assert found["waiting"] == {"documents": 0, "oldest_s": None}
    [source] = found["sources"]
    assert (source["path"], source["status"]) == (str(indexed.docs), "online")
    assert {run["kind"] for run in found["runs"]} == {"reconcile", "drain"}
    shown = indexed.run("status").stdout
    assert "not running" in shown
    assert "\x1b" not in shown


def test_status_of_nothing(home: Home) -> None:
    """Before anything is indexed, status says how to begin, and leaves nothing behind."""
    assert "ingestd run DIR" in home.run("status").stdout
    assert home.json("status")[0]["sources"] == []
    assert not (home.folder / "state").exists()


def test_other_verbs_of_nothing(home: Home) -> None:
    """Before anything is indexed, verbs that need an index say so."""
    for verb in (["ls"], ["why", "docs"], ["reindex"], ["query", "x"]):
        assert "ingestd run DIR" in home.run(*verb, code=12).stderr


def test_ls(indexed: Home) -> None:
    """Every document is listed once, by path, and can be narrowed."""
    found = indexed.json("ls")
    assert [one["path"] for one in found] == ["alpha.md", "data.bin", "sub/beta.md"]
    assert {one["type"] for one in found} == {"document"}
    assert [one["path"] for one in indexed.json("ls", "docs/sub")] == ["sub/beta.md"]
    assert [one["path"] for one in indexed.json("ls", "--status", "skipped")] == ["data.bin"]
    assert len(indexed.json("ls", "--limit", "1")) == 1
    assert "2 more" in indexed.run("ls", "--limit", "1").stderr
    assert "binary" in indexed.run("ls", "-s", "skipped").stdout
    indexed.run("ls", "docs/nothing", code=12)
    indexed.run("ls", "/etc", code=12)


def test_ls_into_a_pipe_that_closes(indexed: Home) -> None:
    """A reader that goes away is no error."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m ingestd ls | true"],
        env=indexed.environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_why(indexed: Home) -> None:
    """Each kind of path has its answer."""
    [taken] = indexed.json("why", "docs/alpha.md")
    assert (taken["state"], taken["document"]["chunks"]) == ("indexed", 1)
    assert indexed.json("why", "sub/beta.md")[0]["path"] == str(indexed.docs / "sub/beta.md")
    [skipped] = indexed.json("why", "docs/data.bin")
    assert skipped["state"] == "skipped"
    assert "binary" in skipped["reason"]
    [excluded] = indexed.json("why", "docs/node_modules/x.md")
    assert excluded["state"] == "excluded"
    assert excluded["rule"].startswith("node_modules/")
    assert indexed.json("why", "docs")[0]["state"] == "folder"
    assert indexed.json("why", "/etc/hosts", code=12)[0]["state"] == "outside"
    assert indexed.json("why", "docs/nothing", code=12)[0]["state"] == "absent"
    assert "indexed" in indexed.run("why", "docs/alpha.md").stdout


def test_query_without_a_daemon(indexed: Home) -> None:
    """Without a daemon the collection is opened in the process."""
    found = indexed.json("query", "# Alpha\n\nThe cat sat on the mat.", "-n", "1")
    assert [one["metadata"]["path"] for one in found] == ["alpha.md"]
    assert found[0]["score"] <= 1
    shown = indexed.run("query", "cat").stdout
    assert str(indexed.docs / "alpha.md") in shown
    assert len(indexed.json("query", "cat", "--source", "docs", "-n", "5")) == 2
    indexed.run("query", "cat", "--source", "nobody", code=12)
    assert "nothere" in indexed.run("query", "cat", "--collection", "nothere", code=12).stderr


def test_query_does_not_open_what_another_process_has(indexed: Home) -> None:
    """A Chroma directory in use is told at once, with who has it."""
    import fcntl

    with (indexed.folder / "state" / "chroma.lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "in use by" in indexed.run("query", "cat", code=10).stderr


def test_dry_run_changes_nothing(indexed: Home) -> None:
    """A dry run lists the documents, and leaves them as they are."""
    *found, summary = indexed.json("reindex", "docs/sub", "--dry-run")
    assert [(one["action"], one["path"]) for one in found] == [("again", "sub/beta.md")]
    assert summary["documents"] == 1
    assert len(indexed.json("reindex", "--all", "--dry-run")) == 4
    assert len(indexed.json("reindex", "--dry-run")) == 1
    assert indexed.json("status")[0]["documents"]["pending"] == 0


def test_reindex_here(home: Home) -> None:
    """Without a daemon the work is done at once, on the folders of the last run."""
    home.run("run", "--once", str(home.docs))
    [again] = home.json("reindex", "--all")
    assert (again["marked"], again["failed"], again["daemon"]) == (3, 0, None)
    assert (again["report"]["chunks"]["embedded"], again["report"]["chunks"]["reused"]) == (0, 2)
    home.write("gamma.md", "Owls hoot.")
    assert "no daemon" in home.run("reindex").stderr
    assert home.json("why", "docs/gamma.md")[0]["state"] == "indexed"
    home.run("reindex", "docs/nothing", code=12)
    [source] = home.json("status")[0]["sources"]
    assert source["status"] == "online"


def test_failed_documents_end_with_their_own_code(home: Home) -> None:
    """A document that cannot be read is reported, listed, and tried again."""
    home.obedient = True
    (home.docs / "alpha.md").chmod(0)
    home.run("run", "--once", str(home.docs), code=3)
    assert home.json("status")[0]["failed"][0]["code"] == "unreadable"
    assert [one["path"] for one in home.json("ls", "--status", "failed")] == ["alpha.md"]
    home.run("reindex", "--failed", code=3)
    (home.docs / "alpha.md").chmod(0o600)
    home.run("reindex", "--failed")
    assert home.json("status")[0]["failed"] == []


def test_a_daemon_is_seen_asked_and_given_work(daemon: Home) -> None:
    """Beside a daemon, verbs see it, query its server, and hand their work to it."""
    [status] = daemon.json("status")
    assert status["running"] is True
    assert status["daemon"]["verb"] == "run"
    assert str(status["daemon"]["pid"]) in daemon.run("status").stdout

    found = daemon.json("query", "# Beta\n\nDogs bark at night.", "-n", "1")
    assert found[0]["metadata"]["path"] == "sub/beta.md"
    daemon.run("query", "cat", "--store", "embedded", code=10)

    [done] = daemon.json("reindex", "--all", "--wait", "--timeout", "60")
    assert done["daemon"] == status["daemon"]["pid"]
    assert (done["marked"], done["failed"], done["waited"]) == (3, 0, True)
    assert "done" in daemon.run("reindex", "docs/alpha.md", "--wait").stdout
    assert daemon.json("reindex", "docs/sub")[0]["waited"] is False
    daemon.run("run", "--once", str(daemon.docs), code=6)

    checks = {one["name"]: one["level"] for one in daemon.json("doctor") if "name" in one}
    assert checks["store"] == "ok"
    assert checks["daemon"] == "ok"


def test_status_watch_ends_with_the_signal(indexed: Home) -> None:
    """The refreshing status prints again and again, and Ctrl-C ends it quietly."""
    process = subprocess.Popen(
        [*indexed.command, "status", "--watch", "--json"],
        env=indexed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert [line["type"] for line in lines] == ["status", "status"]
    assert (process.returncode, errors) == (0, "")


def test_config_verbs(home: Home) -> None:
    """A sample can be written once, checks out, and is found where it lies."""
    usual = home.folder / "config" / "ingestd" / "config.toml"
    assert home.run("config", "init").stdout.strip() == str(usual)
    assert usual.stat().st_mode & 0o077 == 0
    assert "--force" in home.run("config", "init", code=4).stderr
    home.run("config", "init", "--force")
    assert str(usual) in home.run("config", "check").stdout
    assert "port = 8000" in home.run("config", "show").stdout
    assert home.json("config", "show")[0]["origins"]["model.name"].startswith("environment")


def test_config_check_explains_each_wrong_line(home: Home) -> None:
    """Each mistake is one line, with its place and the nearest right key."""
    config = home.folder / "bad.toml"
    config.write_text('[store]\nport = "x"\n\n[[sources]]\npath = "/a"\nexlude = []\n', "utf-8")
    lines = home.run("config", "check", str(config), code=4).stderr.splitlines()
    assert any(f"{config}:2: store.port" in line for line in lines)
    assert any(f"{config}:6: sources.0.exlude" in line and "`exclude`" in line for line in lines)
    [found] = home.json("config", "check", str(config), code=4)
    assert len(found["errors"]) == 2
    config.write_text('[[sources]]\npath = "/a"\nexclude = [""]\n', "utf-8")
    home.run("config", "check", str(config), code=4)
    config.write_text('[[sources]]\npath = "/nothere"\n', "utf-8")
    assert "/nothere" in home.run("config", "check", str(config)).stderr


def test_doctor(indexed: Home) -> None:
    """On a sound machine every check passes; a broken part makes it end with 1."""
    port = str(free_port())
    sound = Home(indexed.folder, {"INGESTD_STORE__PORT": port})
    *checks, summary = sound.json("doctor")
    assert summary == {"type": "summary", "ok": True, "failed": 0}
    assert {"Python", "SQLite", "model", "chromadb", "port", "state table"} <= {
        one["name"] for one in checks
    }
    broken = Home(indexed.folder, {"INGESTD_MODEL__NAME": "/nothere"})
    assert "/nothere" in broken.run("doctor", code=1).stdout


def test_a_newer_state_table_is_refused(home: Home) -> None:
    """A table of a later version is not touched."""
    import sqlite3

    home.run("run", "--once", str(home.docs))
    with sqlite3.connect(home.folder / "state" / "state.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer version" in home.run("status", code=11).stderr
    assert "newer version" in home.run("run", "--once", str(home.docs), code=11).stderr
