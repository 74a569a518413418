"""A daemon with a page, what it is about, and the browser that looks at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from daemon import Daemon, environment, eventually, free_port

__all__ = ["Shown", "eventually", "fill"]

if TYPE_CHECKING:
    from typing import BinaryIO

CHROMIUM = Path("/usr/bin/chromium")
"""Debian's; none is downloaded."""
SCRIPT = "<script>document.title='owned';alert(3)</script>"
HOSTILE_NAME = "<img src=x onerror=alert(1)>.md"
HOSTILE_SOURCE = "<img src=x onerror=alert(2)>"
TURNED = "invoice\u202ecod.md"
"""A browser that obeys shows it as ``invoicedm.doc``."""
BELL = "bell\x07\n.md"
HOSTILE = f"""---
title: "{SCRIPT}"
---
# Harm {SCRIPT}

Text about dragons {SCRIPT} <img src=x onerror=alert(4)> "><svg onload=alert(5)>

## <a href="javascript:alert(6)">Caves</a> of dragons

More of dragons, with a turn\u202eof direction.
"""
GOOD = {
    "lighthouse.md": "# The lighthouse\n\n## Lamp\n\nThe lamp of the lighthouse turns all night.\n",
    "whales.md": "# Whales\n\nBlue whales sing at eleven hertz.\n",
    "한국어.md": "# 등대\n\n바닷가의 등대는 밤새 빛난다.\n",
}
BROKEN = "broken.docx"


class Shown(Daemon):
    """A daemon whose page is looked at.

    Args:
        folders: that it watches.
        state: its state directory.
        settings: more of the configuration, as names of the environment.
    """

    def __init__(self, *folders: Path, state: Path, **settings: str) -> None:
        super().__init__(folders[0], state)
        self.folders = folders
        self.page = free_port()
        self.settings = {"HTTP__LISTEN": f"127.0.0.1:{self.page}", **settings}

    @property
    def url(self) -> str:
        """The address of the page, without a slash at its end."""
        return f"http://127.0.0.1:{self.page}"

    def launch(self, log: BinaryIO) -> None:
        """Start, and wait for nothing."""
        more = {f"INGESTD_{name}": value for name, value in self.settings.items()}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ingestd", "run", *map(str, self.folders)),
                *("--port", str(self.port), "--state-dir", str(self.state)),
            ],
            env={**environment("hash"), **more},
            stderr=log,
            stdin=subprocess.DEVNULL,
        )


def fill(folder: Path) -> tuple[Path, Path]:
    """Make two folders below this one: good documents and a broken one; those that mean harm."""
    good, bad = folder / "docs", folder / HOSTILE_SOURCE
    good.mkdir(parents=True)
    bad.mkdir()
    for name, text in GOOD.items():
        (good / name).write_text(text, "utf-8")
    (good / BROKEN).write_bytes(b"PK\x03\x04" + b"\0" * 40)
    (bad / HOSTILE_NAME).write_text(HOSTILE, "utf-8")
    (bad / TURNED).write_text("# Invoice\n\nNothing to pay.\n", "utf-8")
    (bad / BELL).write_text("# Bell\n\nIt rings.\n", "utf-8")
    return good, bad
