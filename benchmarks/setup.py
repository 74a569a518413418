"""Makes the environment of a rival: ``python -m benchmarks.setup langchain``.

Each rival lives in its own folder under ``benchmarks/.venvs``, with the versions that
``benchmarks/requirements.txt`` pins. torch, sentence-transformers and the model are not installed
again: what an environment lacks it takes from ours, so that all embed with the same. ``openvino``
is no rival: it is ingestd with that extra, beside the environment that goes without.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
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
    "openvino": ("openvino",),
    "markitdown": ("markitdown[docx,outlook,pdf,pptx,xlsx,xls]",),
    # Without its models, which come from a hub: what it reads without them is compared.
    "docling": (
        "docling-slim[convert-core,format-office,format-opendocument]",
        "docling-slim[format-html,format-markdown,format-latex]",
    ),
}
TOOLS = {"faker": ("faker",)}
"""What only `benchmarks.compile_parts` needs."""
LENT = "ingestd-lends.pth"


def interpreter(rival: str) -> Path:
    """The rival's own interpreter; those without packages of their own run on ours."""
    if rival not in PACKAGES | TOOLS:
        return Path(sys.executable)
    return VENVS / rival / "bin" / "python"


def installed(rival: str) -> bool:
    """Whether the rival can be run."""
    return interpreter(rival).exists()


def install(rival: str) -> None:
    """Make the environment of a rival, or of a tool.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed.
    """
    VENVS.mkdir(exist_ok=True)
    (VENVS / ".gitignore").write_text("*\n", encoding="utf-8")
    venv.create(VENVS / rival, with_pip=True, clear=True)
    pip = [str(interpreter(rival)), "-m", "pip", "install", "--quiet"]
    packages = (PACKAGES | TOOLS)[rival]
    subprocess.run([*pip, "--constraint", str(REQUIREMENTS), *packages], check=True)
    lend(rival)


def lend(rival: str) -> None:
    """Let an environment find our packages, after its own."""
    paths = {"base": str(VENVS / rival), "platbase": str(VENVS / rival)}
    theirs = Path(sysconfig.get_path("purelib", vars=paths))
    own = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    # The path of one environment's packages brings no .pth files of theirs to another.
    own |= dict.fromkeys([str(HERE.parent), str(HERE.parent / "state")])
    (theirs / LENT).write_text("\n".join(own) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line, and install."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.setup", description=__doc__)
    parser.add_argument("rival", nargs="+", choices=sorted(PACKAGES | TOOLS))
    for rival in parser.parse_args().rival:
        print(f"{rival}: installing {', '.join((PACKAGES | TOOLS)[rival])}", flush=True)
        install(rival)
        print(f"{rival}: ready in {VENVS / rival}")


if __name__ == "__main__":
    main()
