"""What systemd itself says of the units."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ingestd.cli.sample import sample

FOLDER = Path(__file__).resolve().parents[2] / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
DROP_INS = sorted(path.name for path in FOLDER.glob("ingestd.service.d/*.conf"))
MOST_EXPOSED = 20
"""Tenths: the exposure may be 2.0."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def put(folder: Path, unit: str, drop_in: str = "") -> Path:
    """A unit as it would be installed, with a program that is there."""
    text = (FOLDER / unit).read_text("utf-8")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    path = folder / unit.replace("@", "@notes")
    path.write_text(text, "utf-8")
    if drop_in:
        (folder / f"{unit}.d").mkdir()
        shutil.copy(FOLDER / f"{unit}.d" / drop_in, folder / f"{unit}.d")
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_has_no_complaint(unit: str, tmp_path: Path) -> None:
    """Every key and value is known, without a line of output."""
    answer = analyze("verify", "--man=no", put(tmp_path, unit))
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_systemd_has_no_complaint_about_a_drop_in(drop_in: str, tmp_path: Path) -> None:
    """The same, with a drop-in beside the unit."""
    answer = analyze("verify", "--man=no", put(tmp_path, "ingestd.service", drop_in))
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_hardened(unit: str, tmp_path: Path) -> None:
    """The exposure that systemd counts is at most 2.0."""
    path = put(tmp_path, unit)
    answer = analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", path
    )
    assert answer.returncode == 0, answer.stdout[-200:]


def test_the_gate_for_exposure_shuts(tmp_path: Path) -> None:
    """A unit without hardening does not pass it."""
    unit = tmp_path / "open.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n", "utf-8")
    answer = analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit
    )
    assert answer.returncode != 0


def lines(unit: str) -> set[str]:
    """The settings of a unit."""
    text = (FOLDER / unit).read_text("utf-8")
    return {line for line in text.splitlines() if "=" in line and not line.startswith("#")}


def test_an_instance_differs_in_names_only() -> None:
    """What holds for the one service holds for each of several."""
    differing = {
        line.split("=")[0] for line in lines("ingestd.service") ^ lines("ingestd@.service")
    }
    assert differing == {"Description", "ExecStart", "StateDirectory", "CacheDirectory"}


@pytest.mark.parametrize("unit", UNITS)
def test_every_line_has_its_reason(unit: str) -> None:
    """README.md has a row for each setting."""
    rows = set(re.findall(r"`([A-Za-z]+)=", (FOLDER / "README.md").read_text("utf-8")))
    assert {line.split("=")[0] for line in lines(unit)} - rows == set()


def test_the_example_configuration_is_the_sample() -> None:
    """What lies beside the units is what `ingestd config init` writes."""
    assert (FOLDER / "config.toml").read_text("utf-8") == sample()
