"""Makes the pictures of memray's reports for docs/memory.md, with a Chromium without a window.

    python profiling/pictures.py             # records what is missing; some minutes
    python profiling/pictures.py leaks       # one of them

Needs `chromium` (Debian's package) and websocket-client, which chromadb brings.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import measure
from websocket import create_connection

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "memory"
REPORTS = {
    "flamegraph": ("flamegraph", "outage"),
    "leaks": ("leaks", "outage"),
    "leaks-mended": ("leaks", "ingestd"),
    "table": ("table", "outage"),
}
"""By name of the picture: the report, and the harness."""
TERMINAL = {"stats": ("stats", "embed_job")}
"""The same, of reports that are for the terminal."""
COLUMNS = 110
WIDTH, HEIGHT = 1_400, 640
PATIENCE_S = 120.0
DRAWN = "document.querySelectorAll('.d3-flame-graph g, table tbody tr').length > 3"


class Browser:
    """A Chromium that is spoken to over its debugging port; a context."""

    def __init__(self, place: Path) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            raise SystemExit("no chromium here: apt-get install chromium")
        self._port_file = place / "DevToolsActivePort"
        self._process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={place}",
                f"--window-size={WIDTH},{HEIGHT}",
                "about:blank",
            ],
            stderr=subprocess.DEVNULL,
        )
        self._count = 0

    def __enter__(self) -> Self:
        self._until(self._port_file.exists)
        port = self._port_file.read_text(encoding="ascii").split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        self._socket = create_connection(pages[0]["webSocketDebuggerUrl"], timeout=PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()

    def shot(self, page: Path, picture: Path) -> None:
        """Take a picture of a page once it is drawn."""
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self._do("Emulation.setDeviceMetricsOverride", **size)
        self._do("Page.navigate", url=page.as_uri())
        self._until(lambda: self._value(DRAWN))
        time.sleep(2)  # it is drawn with a transition
        data = self._do("Page.captureScreenshot", format="png")["data"]
        picture.write_bytes(base64.b64decode(data))

    def _value(self, expression: str) -> Any:
        found = self._do("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def _do(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                return answer["result"]

    @staticmethod
    def _until(holds: Any) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError("the browser does not show it")
            time.sleep(0.2)


def reported(kind: str, harness: str) -> Path:
    """The report, recorded when it is not there yet."""
    report = measure.RESULTS / f"{harness}-sums-{kind}.html"
    script = Path(__file__).with_name("report.py")
    subprocess.run([sys.executable, str(script), kind, harness, "--reuse"], check=True)
    return report


def neutral(text: str) -> str:
    """A report without the folders of this machine."""
    paths = sysconfig.get_paths()
    for folder in (str(ROOT), paths["purelib"], paths["platlib"], paths["stdlib"]):
        text = text.replace(f"{folder}/", "")
    return text


def draw_terminal(name: str) -> None:
    """Draw what a report prints."""
    from rich.console import Console  # noqa: PLC0415 - only here
    from rich.text import Text  # noqa: PLC0415 - only here

    kind, harness = TERMINAL[name]
    script = Path(__file__).with_name("report.py")
    done = subprocess.run(
        [sys.executable, str(script), kind, harness, "--reuse"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": str(COLUMNS)},
    )
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(neutral(done.stdout.strip())))
    text = console.export_svg(title=f"report.py {kind} {harness}")
    text = re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL)  # they are on the network
    (DOCS / f"{name}.svg").write_text(text.replace("Fira Code, ", ""), encoding="utf-8")


def main() -> int:
    """Make them all, or those asked for."""
    names = sys.argv[1:]
    if {"-h", "--help"} & set(names):
        print(f"usage: pictures.py [{' | '.join([*REPORTS, *TERMINAL])} ...]\n\n{__doc__}")
        return 0
    for name in names or [*REPORTS, *TERMINAL]:
        if name in TERMINAL:
            draw_terminal(name)
            print(f"written: docs/memory/{name}.svg")
            continue
        page = reported(*REPORTS[name])
        with tempfile.TemporaryDirectory(prefix="pictures") as place:
            copy = Path(place) / "report.html"
            copy.write_text(neutral(page.read_text(encoding="utf-8")), encoding="utf-8")
            with Browser(Path(place)) as browser:
                browser.shot(copy, DOCS / f"{name}.png")
        print(f"written: docs/memory/{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
