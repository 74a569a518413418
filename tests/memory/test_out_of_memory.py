"""When the real model gets no more memory from the system, it goes on with smaller batches."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import json, resource, sys
from pathlib import Path
from ingestd.embed.engines.batches import Batch
from ingestd.embed.engines.export import exported
from ingestd.embed.engines.halving import HalvingEmbedder
from ingestd.embed.engines.onnx import OnnxEmbedder
from ingestd.embed.model import locate

spec = locate("")
model = OnnxEmbedder(spec, exported(spec, Path(sys.argv[1])), threads=1, batch=Batch(64, 10**6))
texts = [f"text number {number} " + "with many words " * 60 for number in range(64)]
alone = [model.embed([text])[0] for text in texts[::21]]
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = taken + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
embedder = HalvingEmbedder(model)
rows = embedder.embed(texts)
before = embedder.shortages
embedder.embed(texts)
difference = max(float(abs(row - one).max()) for row, one in zip(rows[::21], alone))
print(json.dumps({
    "shape": list(rows.shape), "batch": embedder.batch, "shortages": before,
    "again": embedder.shortages - before, "difference": difference,
}))
"""


@pytest.mark.model
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit of the address space")
def test_the_real_model_halves_its_batches(export_dir: Path) -> None:
    """64 long texts at once need some 500 MB and are given 100: all are embedded, and right."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(export_dir), str(100 * 1024**2)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shape"] == [64, 384]
    assert 1 <= found["batch"] <= 32
    assert found["shortages"] >= 1
    assert found["again"] <= 1, "it does not begin with the largest size again"
    assert found["difference"] < 1e-5
