"""Bad input: a clear error, a hint, an exit code of its own, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon import contents, environment, ingestd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents."""
    place = tmp_path / "docs"
    place.mkdir()
    for number in range(3):
        (place / f"{number}.md").write_text(f"# Title {number}\n\nFact {number}.\n", "utf-8")
    return place


@pytest.fixture
def state(folder: Path, tmp_path: Path) -> Path:
    """The state directory of an instance that has indexed them."""
    place = tmp_path / "state"
    done = ingestd("run", folder, "--once", "--state-dir", place)
    assert done.returncode == 0, done.stderr
    return place


def refused(done: subprocess.CompletedProcess[str], exit_code: int, *words: str) -> None:
    """Check that a run ended with this code, an error that names the cause, and a hint."""
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert "error:" in done.stderr
    assert "hint:" in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_missing_folder_is_named_and_nothing_is_deleted(
    state: Path, folder: Path, tmp_path: Path
) -> None:
    """A typing error in the folder's name does not cost the index of the right one."""
    before = contents(state)
    refused(
        ingestd("run", tmp_path / "dosc", "--once", "--state-dir", state), 5, "dosc", "not exist"
    )
    assert contents(state) == before


def test_a_file_given_as_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """A source is a folder."""
    done = ingestd("run", folder / "0.md", "--once", "--state-dir", tmp_path / "other")
    refused(done, 5, "is not a folder")


def test_a_wrong_key_is_named_with_the_nearest_right_one(
    state: Path, folder: Path, tmp_path: Path
) -> None:
    """Every mistake in the configuration is told, each on a line of its own."""
    before = contents(state)
    config = tmp_path / "config.toml"
    config.write_text('[store]\nprot = 8000\n[model]\nthreads = "many"\n', encoding="utf-8")
    done = ingestd("run", folder, "--once", "--config", config, "--state-dir", state)
    refused(done, 4, "store.prot", "did you mean `port`", "model.threads")
    assert contents(state) == before


def test_a_configuration_that_is_no_toml_says_the_line(folder: Path, tmp_path: Path) -> None:
    """A syntax error is located."""
    config = tmp_path / "config.toml"
    config.write_text("[store\n", encoding="utf-8")
    done = ingestd("run", folder, "--once", "--config", config, "--state-dir", tmp_path / "s")
    refused(done, 4, "config.toml", ":1:7: ")


def test_a_missing_model_is_refused(state: Path, folder: Path) -> None:
    """A model that is nowhere is an error before anything is touched."""
    before = contents(state)
    done = ingestd("run", folder, "--once", "--state-dir", state, model="/no/such/model")
    refused(done, 8, "/no/such/model")
    assert contents(state) == before


def test_a_model_of_another_dimension_is_refused(state: Path, folder: Path) -> None:
    """A collection takes vectors of one length; the one that is there stays as it is."""
    before = contents(state)
    done = ingestd("run", folder, "--once", "--state-dir", state, model="hash:128")
    refused(done, 9, "128", "384")
    assert contents(state) == before


def test_a_collection_of_somebody_else_is_not_written_to(
    state: Path, folder: Path, tmp_path: Path
) -> None:
    """Only collections that ingestd made are its own."""
    script = (
        "import chromadb, sys; chromadb.PersistentClient(sys.argv[1]).create_collection('mine')"
    )
    subprocess.run([sys.executable, "-c", script, str(state / "chroma")], check=True)
    done = ingestd("run", folder, "--once", "--state-dir", state, "--collection", "mine")
    refused(done, 13, "mine")


def test_a_damaged_state_table_is_refused(state: Path, folder: Path) -> None:
    """A table that is no database is an error; the collection is not touched."""
    before = contents(state)
    for file in state.glob("state.db*"):
        file.unlink()
    (state / "state.db").write_bytes(b"this is no database at all" * 100)
    refused(ingestd("run", folder, "--once", "--state-dir", state), 11, "state.db")
    assert contents(state) == before


def test_a_state_table_of_a_newer_version_is_refused(state: Path, folder: Path) -> None:
    """A downgrade does not try its luck."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute(\"UPDATE alembic_version SET version_num = '9999'\"); c.commit()"
    )
    subprocess.run([sys.executable, "-c", script, str(state / "state.db")], check=True)
    refused(ingestd("run", folder, "--once", "--state-dir", state), 11, "9999", "newer")


def test_an_empty_folder_after_an_index_deletes_nothing(state: Path, folder: Path) -> None:
    """A disk that is not mounted looks like an empty folder."""
    before = contents(state)
    for file in folder.iterdir():
        file.unlink()
    done = ingestd("run", folder, "--once", "--json", "--state-dir", state)
    assert json.loads(done.stdout)["documents"]["held"] == 3
    assert contents(state) == before


def test_a_large_loss_is_held_until_a_person_accepts_it(tmp_path: Path) -> None:
    """Half of the documents gone at once may be a mistake: who knows better says so."""
    folder, state = tmp_path / "docs", tmp_path / "state"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.md").write_text(f"# Title {number}\n\nFact.\n", encoding="utf-8")
    run = ("run", folder, "--once", "--json", "--state-dir", state)
    assert ingestd(*run).returncode == 0
    for number in range(30):
        (folder / f"{number}.md").unlink()
    report = json.loads(ingestd(*run).stdout)
    assert report["documents"]["held"] == 30
    assert report["chunks"]["live"] == 60
    status = ingestd("status", "--json", "--state-dir", state).stdout
    assert "held" in status
    assert "30 of 60 documents are gone at once" in status
    listed = ingestd("reconcile", "--dry-run", "--state-dir", state)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("\n") == 30
    done = ingestd("reconcile", "docs", "--accept-deletes", "--json", "--state-dir", state)
    assert json.loads(done.stdout)["deleted"] == 30
    report = json.loads(ingestd(*run).stdout)
    assert report["documents"]["deleted"] == 30
    assert report["chunks"]["live"] == 30


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="sheds rights")
def test_an_unreadable_file_fails_alone_and_keeps_its_old_version(
    state: Path, folder: Path
) -> None:
    """The exit code says that something failed; the old text of the file stays."""
    before = contents(state)
    (folder / "1.md").write_text("# Secret\n\nNew.\n", encoding="utf-8")
    (folder / "1.md").chmod(0)
    rights = "-dac_override,-dac_read_search"  # root reads everything otherwise
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set", rights, "--inh-caps", rights),
            *(sys.executable, "-m", "ingestd", "run", str(folder), "--once", "--json"),
            *("--state-dir", str(state)),
        ],
        env=environment("hash"),
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    refused(done, 3, "1 document failed")
    assert report["documents"]["failed"] == 1
    assert report["errors"][0]["path"] == "1.md"
    assert report["errors"][0]["code"] == "unreadable"
    assert contents(state) == before
