"""What each expression of the dashboard and each alert is under load: a table.

    python tests/monitoring/values.py

The packaged model embeds this project's documentation while copies of it are edited, and a real
Prometheus reads the daemon. It ends with 1 where an expression has no value.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from board import Named, measured, panels, rules
from prometheus import Prometheus
from watched import TOKEN, Watched, eventually, free_port

DOCS = Path(__file__).parents[2] / "docs"
EDITED_S = 90.0


def main() -> None:
    """Edit for a while, then ask."""
    asked = panels() + [Named(rule["alert"], measured(rule["expr"])) for rule in rules()]
    chosen = random.Random(5)
    pages = [path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))]
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        docs = home / "docs"
        docs.mkdir()
        with (
            Watched(docs, home / "state", model="") as daemon,
            Prometheus(
                home / "prometheus", free_port(), [f"127.0.0.1:{daemon.page}"], {}, TOKEN
            ) as prometheus,
        ):
            eventually(lambda: prometheus.ask("ingestd_ready"))
            end = time.monotonic() + EDITED_S
            while time.monotonic() < end:
                page = chosen.choice(pages)
                start = chosen.randrange(max(1, len(page) - 3000))
                (docs / f"{chosen.randrange(40)}.md").write_text(page[start : start + 3000])
                time.sleep(0.3)
            missing = 0
            for place, expression in asked:
                values = [float(sample["value"][1]) for sample in prometheus.ask(expression)]
                missing += not values
                told = ", ".join(f"{value:.4g}" for value in values[:8]) or "no value"
                more = f" and {len(values) - 8} more" if len(values) > 8 else ""
                sys.stdout.write(f"{place:44} {told}{more}\n")
    raise SystemExit(bool(missing))


if __name__ == "__main__":
    main()
