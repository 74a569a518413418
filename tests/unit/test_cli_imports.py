"""The quick verbs stay quick because they leave heavy libraries alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ingestd.reconcile import Reconciler
from ingestd.roots import known_sources
from ingestd_state import migrate, sources
from ingestd_state.engine import Database

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {
    "alembic",
    "apscheduler",
    "chromadb",
    "httpx",
    "memray",
    "numpy",
    "onnxruntime",
    "py3langid",
    "sentence_transformers",
    "starlette",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
    "watchdog",
}
SETTINGS = {"pydantic_settings", "ingestd.config"}
DATABASE = {"sqlalchemy"}
LOGS = {"structlog"}
SNIPPET = """
import json, sys
sys.argv = ["ingestd", *json.loads(sys.argv[1])]
from ingestd.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one document, known to the state table."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("text", "utf-8")
    (folder / "state").mkdir()
    database = Database(f"sqlite:///{folder / 'state' / 'state.db'}")
    migrate.upgrade(database)
    with database.write() as connection:
        sources.ensure(connection, "docs", os.fsencode(folder / "docs"), "c", "{}")
    Reconciler(database).reconcile(known_sources(database)["docs"])
    database.close()
    return folder


@pytest.mark.parametrize(
    ("verb", "unwanted"),
    [
        (["--help"], HEAVY | SETTINGS | DATABASE | LOGS),
        (["--version"], HEAVY | SETTINGS | DATABASE | LOGS),
        (["version"], HEAVY | SETTINGS | DATABASE | LOGS),
        (["config", "show"], HEAVY | DATABASE | LOGS),
        (["status"], HEAVY | SETTINGS | LOGS),
        (["why", "docs/a.md"], HEAVY | SETTINGS | LOGS),
        (["ls"], HEAVY | SETTINGS | LOGS),
        (["reindex", "--dry-run"], HEAVY | SETTINGS | LOGS),
        (["retry"], HEAVY | SETTINGS | LOGS),
        (["check", "--help"], HEAVY | SETTINGS | DATABASE | LOGS),
        (["repair", "--help"], HEAVY | SETTINGS | DATABASE | LOGS),
        (["profile", "--help"], HEAVY | SETTINGS | DATABASE | LOGS),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_quick_verbs_import_little(verb: list[str], unwanted: set[str], home: Path) -> None:
    """A quick verb loads no library that it does not need."""
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET, json.dumps(verb)],
        cwd=home,
        env={
            **{name: value for name, value in os.environ.items() if name != "INGESTD_CONFIG"},
            "INGESTD_STATE_DIR": str(home / "state"),
            "XDG_CONFIG_HOME": str(home),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & unwanted == set()
