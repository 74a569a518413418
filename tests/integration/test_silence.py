"""Nothing that ingestd loads may tell others that it runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ROOT / "tests" / "corpus" / "fastapi-docs" / "en" / "about"
RUN = ["run", "--once", "--store", "embedded"]


def test_only_one_module_loads_onnx_runtime() -> None:
    """The one that silences it first."""
    loading = re.compile(r"^\s*(import|from) onnxruntime", re.MULTILINE)
    found = {
        file.name
        for file in (ROOT / "ingestd").rglob("*.py")
        if loading.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"ort.py"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which a model was made ready and documents were indexed; with a trace."""
    home = tmp_path_factory.mktemp("home")
    kept = ("INGESTD_", "ORT_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    command = [sys.executable, "-m", "ingestd", *RUN, str(DOCUMENTS)]
    if shutil.which("strace"):
        traced = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(home / "trace")]
        command = [*traced, *command]
    ended = subprocess.run(
        [*command, "--state-dir", str(home / "state")],
        env=env | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return home


@pytest.mark.model
def test_onnx_runtime_writes_no_notes_into_the_home_directory(home: Path) -> None:
    """It would keep a number of the machine there, and what it is about to send."""
    assert (home / ".cache" / "ingestd").exists()
    assert not (home / ".cache" / "Microsoft").exists()


@pytest.mark.model
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_run_asks_no_other_machine(home: Path) -> None:
    """Not even for a name: neither while the model is made ready nor while it embeds."""
    trace = (home / "trace").read_text(encoding="utf-8")
    assert [line for line in trace.splitlines() if "AF_INET" in line] == []
