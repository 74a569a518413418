"""OpenVINO's first forward pass, which two threads may not begin at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingestd.embed.engines import openvino
from ingestd.embed.engines.batches import Batch
from ingestd.embed.model import locate

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Compiled:
    """In place of a compiled model: notes which thread came when."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def create_infer_request(self) -> Compiled:
        """Stands for its own requests."""
        return self

    def infer(self, feed: dict[str, NDArray[Any]], **_: object) -> list[NDArray[Any]]:
        """Rows of the right shape."""
        self.threads.append(threading.current_thread())
        return [np.ones((len(feed["input_ids"]), 384))]


@pytest.mark.model
def test_the_first_forward_pass_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made where the engine is opened, before there are threads that could be the first."""
    compiled = Compiled()
    monkeypatch.setattr(openvino, "_compile", lambda *_: compiled)
    embedder = openvino.OpenVinoEmbedder(locate(""), Path(), threads=2, batch=Batch(1, 512))
    assert compiled.threads == [threading.current_thread()]
    embedder.embed(["a", "b", "c"])
    embedder.close()
    assert len(compiled.threads) == 4
    assert threading.current_thread() not in compiled.threads[1:]
