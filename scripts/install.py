"""Sets up the private environment of a checkout: ``make run`` and ``make test`` call it.

Needs nothing but a Python with ``venv``. Running it again repairs or updates the environment.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from scripts import pins
from scripts.pip_run import SetupError, follow
from scripts.torch_choice import CPU, Way, choose, serves

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST = (3, 11)
CPU_SIZE = "about 190 MB to download"
OTHERS_SIZE = "about 270 MB to download"
INSTALLED_TORCH = """
from importlib import metadata
try:
    print(metadata.version("torch"))
except metadata.PackageNotFoundError:
    pass
"""
NO_CPU_TORCH = """\
On a machine that can reach one, `make wheelhouse` collects all packages in a folder; copy it here
and run this command again with WHEELS=path/to/that/folder. With TORCH_BACKEND=pip it takes the
build that pip finds by itself, which may bring several gigabytes of GPU packages."""


class Environment:
    """A virtual environment and the ways to install into it.

    Args:
        folder: where the environment is, or will be.
        wheels: a folder of wheels to install everything from, or None for pip's own indexes.
        packaged: ingestd, too, comes from there: the checkout is not needed afterwards.
    """

    def __init__(self, folder: Path, wheels: Path | None, *, packaged: bool = False) -> None:
        self.folder = folder
        self.wheels = wheels
        self.packaged = packaged
        self.python = folder / "bin" / "python"
        self.log = folder / "install.log"
        self.pins = pins.read(CONSTRAINTS)

    def create(self) -> None:
        """Make the environment unless it is there; then bring its tools to the pinned versions."""
        if not self.python.exists():
            print(f"Creating a private Python environment in {self.folder}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        self.log.unlink(missing_ok=True)
        tools = ["pip"] if self.packaged else ["pip", "hatchling", "editables"]
        follow([*self.pip_install(), *(f"{tool}=={self.pins[tool]}" for tool in tools)], self.log)

    def pip_install(self) -> list[str]:
        """The pip command that installs pinned versions."""
        command = [str(self.python), "-m", "pip", "install", "--constraint", str(CONSTRAINTS)]
        if self.wheels:
            command += ["--no-index", "--find-links", str(self.wheels)]
        return command

    def torch_version(self) -> str | None:
        """The installed torch's version with its build label; None where there is none."""
        command = [str(self.python), "-c", INSTALLED_TORCH]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return answer.stdout.strip() or None

    def ask_pip_for_torch(self) -> dict[str, object] | None:
        """Ask pip which build of torch it would take, fetching no more than its metadata."""
        report = self.folder / "torch-report.json"
        question = ["--dry-run", "--ignore-installed", "--no-deps", "--use-feature=fast-deps"]
        question += ["--quiet", "--report", str(report), self.torch_pin()]
        with self.log.open("a", encoding="utf-8") as out:
            command = [*self.pip_install(), *question]
            answer = subprocess.run(command, stdout=out, stderr=out, check=False)
        if answer.returncode:
            return None
        found: dict[str, object] = json.loads(report.read_text(encoding="utf-8"))
        return found

    def torch_pin(self) -> str:
        """The requirement that names the pinned torch."""
        return f"torch=={self.pins['torch']}"

    def install_torch(self, backend: str) -> None:
        """Install torch in the build that is wanted, unless one is there that serves."""
        installed, pin = self.torch_version(), self.pins["torch"]
        asked = backend == CPU and not self.wheels and not serves(installed, pin, backend)
        way = choose(
            installed=installed,
            pin=pin,
            backend=backend,
            from_folder=self.wheels is not None,
            report=self.ask_pip_for_torch() if asked else None,
        )
        if way is Way.KEEP:
            return
        size = f"; {CPU_SIZE}" if backend == CPU and way is not Way.FOLDER else ""
        print(f"Installing PyTorch {pin} ({way.value}{size})", flush=True)
        if way is Way.UV:
            self.install_torch_with_uv(backend)
        else:
            follow([*self.pip_install(), "--upgrade", self.torch_pin()], self.log)

    def install_torch_with_uv(self, backend: str) -> None:
        """Let uv find the build: it knows where each backend's builds are; pip does not.

        Raises:
            SetupError: uv cannot be installed, or cannot find or reach such a build.
        """
        follow([*self.pip_install(), f"uv=={self.pins['uv']}"], self.log)
        command = [str(self.folder / "bin" / "uv"), "pip", "install"]
        command += ["--python", str(self.python), "--constraint", str(CONSTRAINTS)]
        command += ["--torch-backend", backend, "--reinstall-package", "torch", self.torch_pin()]
        if subprocess.run(command, check=False).returncode:
            message = f"No build of torch for the backend {backend!r} can be installed from here."
            raise SetupError(message, NO_CPU_TORCH)

    def install_project(self, extras: list[str]) -> None:
        """Install ingestd itself with everything it needs, at the pinned versions."""
        named = f"[{','.join(extras)}]" if extras else ""
        first = not self.wheels and not (self.folder / "bin" / "ingestd").exists()
        size = f" ({OTHERS_SIZE})" if first else ""
        print(f"Installing ingestd{named} and what it needs{size}", flush=True)
        project = ["--no-build-isolation", "--editable", f"{ROOT}{named}"]
        if self.packaged:
            project = ["--upgrade", f"ingestd{named}"]
        follow([*self.pip_install(), *project], self.log)
        if self.packaged:  # another build of the same version is another one
            follow([*self.pip_install(), "--force-reinstall", "--no-deps", "ingestd"], self.log)


def check_python() -> None:
    """Raise `SetupError` where this interpreter cannot make the environment."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info[:2] < OLDEST:
        message = f"Python {version} is too old: ingestd needs 3.11 or newer."
        raise SetupError(message, "Name a newer one: make ... PYTHON=python3.11")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        message = "This Python cannot create environments: its venv module is not complete."
        raise SetupError(message, f"On Debian and Ubuntu: sudo apt install python{version}-venv")


def folder_of_wheels(given: Path | None, *, needed: bool) -> Path | None:
    """Check the folder to install from; raise `SetupError` where there is none, but should be."""
    if given is None and needed:
        raise SetupError("--packaged needs --wheels.", "`make wheelhouse` makes such a folder.")
    if given is None:
        return None
    folder = given.expanduser().resolve()
    if not folder.is_dir():
        raise SetupError(f"There is no folder {folder}.", "`make wheelhouse` makes one.")
    return folder


def main() -> int:
    """Set the environment up; the exit code is 0, or 1 where it cannot be."""
    parser = argparse.ArgumentParser(description="Sets up the private environment of a checkout.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--extra", action="append", default=[], help="an extra to install as well")
    parser.add_argument("--torch-backend", default=CPU, help="cpu, auto, cu130, ..., or pip")
    parser.add_argument("--wheels", type=Path, help="install everything from this folder")
    parser.add_argument(
        "--packaged", action="store_true", help="ingestd comes from that folder, too"
    )
    arguments = parser.parse_args()
    try:
        check_python()
        wheels = folder_of_wheels(arguments.wheels, needed=arguments.packaged)
        environment = Environment(arguments.venv.absolute(), wheels, packaged=arguments.packaged)
        environment.create()
        environment.install_torch(arguments.torch_backend)
        environment.install_project(arguments.extra)
    except SetupError as error:
        print(f"\nSet-up failed: {error}\n{error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
