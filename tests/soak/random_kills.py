"""Kills cold runs and a working daemon at random moments; prints how often that did harm.

    python tests/soak/random_kills.py --kills 100 --seed 1

Half of the kills hit cold runs, half a daemon (with a managed Chroma server) in whose folder
somebody works. Ends with 1 when any comparison with a fresh ingest found a difference.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from forked import Zygote
from kills import Tree, kill_cold, kill_daemon


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("cold", "daemon"), help="all kills of one kind")
    parser.add_argument("--documents", type=int, default=150, help="of the cold runs")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="kills") as name, Zygote(Path(name)) as zygote:
        root = Path(name)
        corpus, tree = Tree(root / "cold", chance), Tree(root / "docs", chance)
        corpus.grow(options.documents)
        half = {"cold": options.kills, "daemon": 0}.get(options.only, options.kills // 2)
        scores = {
            "cold": kill_cold(corpus.folder, root, zygote, half, chance).report(),
            "daemon": kill_daemon(
                tree, root / "state", zygote, options.kills - half, chance
            ).report(),
        }
    total = {
        name: sum(score[name] for score in scores.values())
        for name in ("kills", "rounds", "converged", "embedded_again")
    }
    print(json.dumps({"seed": options.seed, **total, **scores}))  # noqa: T201 - its output
    return 0 if total["converged"] == total["rounds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
