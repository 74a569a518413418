"""Collects a wheel of every package in a folder, for a machine without network.

``make wheelhouse`` runs it inside the environment of the checkout. The other machine needs the
same version of Python, the same processor and the same kind of system, and nothing but the folder:
the pins and the installer go with the wheels.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import metadata
from pathlib import Path

from scripts import pins
from scripts.pip_run import SetupError, follow
from scripts.repack import repack

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
TOOLS = ("pip", "hatchling", "editables")
INSTALLER = ("install.py", "pins.py", "pip_run.py", "torch_choice.py")


def collect(folder: Path) -> None:
    """Fill the folder with the wheels of torch, as installed here, and of everything else."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    torch = metadata.distribution("torch")
    print(f"Packing torch {torch.version}", flush=True)
    repack(torch, folder)
    (folder / "scripts").mkdir(exist_ok=True)
    for name in INSTALLER:
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    shutil.copy(CONSTRAINTS, folder / CONSTRAINTS.name)
    print("Collecting the other packages", flush=True)
    found = pins.read(CONSTRAINTS)
    command = [sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(folder)]
    command += ["--constraint", str(CONSTRAINTS), "--find-links", str(folder)]
    command += ["--no-build-isolation", f"torch=={torch.version}"]
    command += [f"{tool}=={found[tool]}" for tool in TOOLS]
    follow([*command, f"{ROOT}[test,profile]"], Path(sys.prefix) / "wheelhouse.log")


def main() -> int:
    """Collect the wheels and tell how many and how large they are."""
    parser = argparse.ArgumentParser(description="Collects all packages in a folder of wheels.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        collect(folder)
    except SetupError as error:
        print(f"\nThe wheels cannot be collected: {error}\n{error.hint}", file=sys.stderr)
        return 1
    wheels = list(folder.glob("*.whl"))
    size_mb = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    print(f"{folder}: {len(wheels)} wheels, {size_mb:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
