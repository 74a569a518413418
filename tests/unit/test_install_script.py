"""How the set-up of a checkout decides which build of torch to install, and what it tells."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from scripts import constraints, pins, wheelhouse
from scripts.pip_run import SetupError, downloaded, follow
from scripts.repack import repack
from scripts.torch_choice import Way, choose, gpu_requirements, serves

ROOT = Path(__file__).resolve().parents[2]
PIN = "2.13.0"


def report_of(*packages: tuple[str, list[str]]) -> dict[str, Any]:
    """The part of pip's report that is looked at: names and what each requires."""
    return {
        "install": [
            {"metadata": {"name": name, "version": PIN, "requires_dist": requires}}
            for name, requires in packages
        ]
    }


CPU_BUILD = report_of(("torch", ["filelock", "sympy>=1.13", 'triton; extra == "gpu"']))
GPU_BUILD = report_of(
    ("torch", ["filelock", 'nvidia-cudnn-cu13==9.20; platform_system == "Linux"', "triton==3.7"])
)


def way(
    *,
    backend: str = "cpu",
    installed: str | None = None,
    from_folder: bool = False,
    report: dict[str, Any] | None = None,
) -> Way:
    """Choose with the usual answers, but for what a test names."""
    return choose(
        installed=installed, pin=PIN, backend=backend, from_folder=from_folder, report=report
    )


def test_gpu_packages_are_found_in_what_torch_requires() -> None:
    """A report without dependencies is enough: torch's own requirements name the GPU packages."""
    assert gpu_requirements(GPU_BUILD) == ["nvidia-cudnn-cu13", "triton"]


def test_gpu_packages_are_found_among_what_would_be_installed() -> None:
    """A report with dependencies lists the GPU packages beside torch."""
    assert gpu_requirements(report_of(("torch", []), ("cuda_bindings", []))) == ["cuda-bindings"]


def test_requirements_of_an_extra_do_not_count() -> None:
    """What only an extra of torch asks for is not installed."""
    assert gpu_requirements(CPU_BUILD) == []


def test_cpu_build_that_pip_finds_is_taken() -> None:
    """Where pip's own answer is a CPU build, nothing else is needed."""
    assert way(report=CPU_BUILD) is Way.PIP


def test_gpu_build_is_not_taken_where_a_cpu_build_serves() -> None:
    """Where pip would bring GPU packages, uv is asked for the CPU build."""
    assert way(report=GPU_BUILD) is Way.UV


def test_no_answer_of_pip_leads_to_uv() -> None:
    """Where pip finds no torch at all, uv may."""
    assert way(report=None) is Way.UV


def test_folder_of_wheels_is_the_only_source() -> None:
    """With a folder of wheels no index is asked, whatever the backend."""
    assert way(from_folder=True) is Way.FOLDER
    assert way(from_folder=True, backend="cu130") is Way.FOLDER


def test_named_backend_is_left_to_uv() -> None:
    """A GPU backend is looked up by uv, which knows the builds by name."""
    assert way(backend="cu130", report=CPU_BUILD) is Way.UV
    assert way(backend="auto") is Way.UV


def test_pip_backend_takes_whatever_pip_takes() -> None:
    """The backend `pip` accepts GPU packages."""
    assert way(backend="pip", report=GPU_BUILD) is Way.PIP


@pytest.mark.parametrize("installed", ["2.13.0", "2.13.0+cpu", "2.13.0+cu130"])
def test_any_build_of_the_pinned_version_stays(installed: str) -> None:
    """A torch that is there serves on the CPU, also a GPU build."""
    assert way(installed=installed, report=GPU_BUILD) is Way.KEEP


def test_another_version_does_not_stay() -> None:
    """A torch that the constraints refuse is replaced, or pip would replace it by a GPU build."""
    assert not serves("2.12.0+cpu", PIN, "cpu")


@pytest.mark.parametrize(
    ("installed", "backend", "expected"),
    [
        ("2.13.0+cpu", "cu130", False),
        ("2.13.0+cu130", "cu130", True),
        ("2.13.0+cpu", "auto", False),
        ("2.13.0+cu130", "auto", True),
        (None, "cpu", False),
    ],
)
def test_gpu_backend_is_not_served_by_a_cpu_build(
    installed: str | None, backend: str, *, expected: bool
) -> None:
    """Who asks for a GPU build does not get the CPU build that is there."""
    assert serves(installed, PIN, backend) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  Downloading torch-2.13.0-cp311.whl (526.6 MB)\n", ("torch-2.13.0-cp311.whl", 526.6)),
        ("Downloading x-1.tar.gz (45 kB)\n", ("x-1.tar.gz", 0.045)),
        ("  Downloading torch-2.13.0.whl.metadata (30 kB)\n", None),
        ("Collecting torch\n", None),
    ],
)
def test_downloads_are_read_from_pips_lines(line: str, expected: tuple[str, float] | None) -> None:
    """Files count, with their size in MB; metadata and other lines do not."""
    assert downloaded(line) == (expected and pytest.approx(expected))


def test_failing_command_tells_its_last_lines_and_its_log(tmp_path: Path) -> None:
    """A failure shows what pip said, and where all of it is."""
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('no such thing'); raise SystemExit(1)"]
    with pytest.raises(SetupError, match="no such thing") as caught:
        follow(command, log)
    assert str(log) in caught.value.hint
    assert "no such thing" in log.read_text(encoding="utf-8")


def test_pins_cover_what_the_set_up_installs_first() -> None:
    """The tools and torch are pinned, without a build label, and no GPU package is."""
    found = pins.read(ROOT / "constraints.txt")
    assert {*constraints.TOOLS, "torch"} <= set(found)
    assert not [name for name in found if pins.is_gpu_package(name)]
    assert not [version for version in found.values() if not version or "+" in version]


def test_pins_are_sorted_and_written_as_they_are_read() -> None:
    """The file is what its generator would write from the same versions."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert constraints.render(pins.parse(text.splitlines())) == text


def test_report_becomes_pins_without_labels_and_gpu_packages() -> None:
    """One file serves CPU and GPU builds, and never pins the project itself."""
    names = {"torch": "2.13.0+cpu", "Nvidia_NCCL": "2.29", "ingestd": "0.1.0", "PyYAML": "6.0.3"}
    install = [{"metadata": {"name": name, "version": names[name]}} for name in names]
    assert constraints.versions({"install": install}) == {"torch": "2.13.0", "pyyaml": "6.0.3"}


def test_installed_distribution_is_packed_as_it_came(tmp_path: Path) -> None:
    """A wheel made from an installed package installs again, with the same files."""
    wheel = repack(metadata.distribution("iniconfig"), tmp_path)
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    follow([*command, "--target", str(target), str(wheel)], tmp_path / "log")
    original = Path(str(metadata.distribution("iniconfig").locate_file("iniconfig")))
    for source in original.glob("*.py"):
        assert (target / "iniconfig" / source.name).read_bytes() == source.read_bytes()


def test_a_packaged_install_needs_a_folder(tmp_path: Path) -> None:
    """Without a folder there is nothing that ingestd itself could come from; nothing is made."""
    command = [sys.executable, "-m", "scripts.install", "--venv", str(tmp_path / "v"), "--packaged"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make wheelhouse" in done.stderr
    assert not (tmp_path / "v").exists()


def test_the_installer_goes_with_the_wheels() -> None:
    """Each module that the installer imports is copied beside the wheels."""
    text = "".join((ROOT / "scripts" / name).read_text("utf-8") for name in wheelhouse.INSTALLER)
    imported = set(re.findall(r"^from scripts\.(\w+) import", text, re.MULTILINE))
    imported |= {
        name.strip()
        for names in re.findall(r"^from scripts import (.+)$", text, re.MULTILINE)
        for name in names.split(",")
    }
    assert {f"{name}.py" for name in imported} <= set(wheelhouse.INSTALLER)
