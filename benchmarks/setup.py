"""Makes the environment of a rival: ``python -m benchmarks.setup langchain``.

Each rival lives in its own folder under ``benchmarks/.venvs``, with the versions that
``benchmarks/requirements.txt`` pins. None of them needs torch: a stub stands in for the model.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENVS = HERE / ".venvs"
REQUIREMENTS = HERE / "requirements.txt"
PACKAGES = {
    "langchain": (
        "langchain-classic",
        "langchain-chroma",
        "langchain-community",
        "langchain-text-splitters",
        "greenlet",  # its record manager needs it, and does not ask for it
        "numpy",
    ),
    "cocoindex": ("cocoindex", "lancedb", "numpy"),
}


def interpreter(rival: str) -> Path:
    """The rival's own interpreter; those without packages of their own run on ours."""
    if rival not in PACKAGES:
        return Path(sys.executable)
    return VENVS / rival / "bin" / "python"


def installed(rival: str) -> bool:
    """Whether the rival can be run."""
    return interpreter(rival).exists()


def install(rival: str) -> None:
    """Make the environment of a rival.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed.
    """
    VENVS.mkdir(exist_ok=True)
    (VENVS / ".gitignore").write_text("*\n", encoding="utf-8")
    venv.create(VENVS / rival, with_pip=True, clear=True)
    pip = [str(interpreter(rival)), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", str(REQUIREMENTS), *PACKAGES[rival]], check=True)


def main() -> None:
    """Read the command line, and install."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.setup", description=__doc__)
    parser.add_argument("rival", nargs="+", choices=sorted(PACKAGES))
    for rival in parser.parse_args().rival:
        print(f"{rival}: installing {', '.join(PACKAGES[rival])}", flush=True)
        install(rival)
        print(f"{rival}: ready in {VENVS / rival}")


if __name__ == "__main__":
    main()
