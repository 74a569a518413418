"""What is remembered of a measurement, and the child that makes it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from ingestd.embed.engines import child, cores, measurement, measuring
from ingestd.embed.engines.batches import USUAL, Batch
from ingestd.embed.engines.choice import Choice, settle
from ingestd.embed.engines.measured import Figures, Measured, file_of, keys, recall, remember
from ingestd.embed.engines.measurement import Measurement
from ingestd.embed.engines.samples import CHECK_TEXTS, varied
from ingestd.embed.model import locate
from ingestd.memory import cgroup
from ingestd.memory.cgroup import Allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST = Choice("onnx", "fp32", "cpu", "usual", USUAL, ("openvino", "bf16"))
ROWS = np.eye(2, dtype=np.float32)
FOUND = Measured(
    {"onnx-fp32": Figures(1.0, 1.0, [(USUAL, 150.5), (Batch(1, 512), 140.0)], [140.0, 145.5])},
    "",
    4.5,
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A measurement survives the file; a failed one, too."""
    file = tmp_path / "engines" / "a.json"
    assert recall(file) is None
    for measured in (FOUND, Measured(failed="exit status -4")):
        remember(file, measured)
        assert recall(file) == measured
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"engines": {}, "failed": ""}',
        '{"engines": {"onnx-fp32": []}, "failed": "", "seconds": 1}',
        '{"engines": {"onnx-fp32": {"least_cosine": 1}}, "failed": "", "seconds": 1}',
    ],
)
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    """What is torn or of another shape counts as not measured."""
    (tmp_path / "a.json").write_text(text, "utf-8")
    assert recall(tmp_path / "a.json") is None


def test_what_a_measurement_holds_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model, number of threads, set of engines or processor has another file."""
    spec = locate("")
    files = {
        file_of(spec, tmp_path, FIRST, 2),
        file_of(spec, tmp_path, FIRST, 1),
        file_of(spec, tmp_path, Choice("onnx", "fp32", "cpu", "asked for", USUAL), 2),
    }
    assert file_of(spec, tmp_path, FIRST, 2) in files
    monkeypatch.setattr(cores, "identity", lambda: "another")
    files.add(file_of(spec, tmp_path, FIRST, 2))
    assert len(files) == 4


def test_the_reference_comes_first() -> None:
    """ONNX Runtime in fp32 is what the others are compared with, and measured once."""
    assert keys(FIRST) == ["onnx-fp32", "openvino-bf16"]
    assert keys(Choice("openvino", "bf16", "cpu", "", USUAL)) == ["onnx-fp32", "openvino-bf16"]
    assert keys(Choice("onnx", "fp32", "cpu", "", USUAL)) == ["onnx-fp32"]


def test_texts_of_all_lengths() -> None:
    """They are the same each time, of many lengths, and in two scripts."""
    texts = varied(24, 256)
    assert texts == varied(24, 256)
    assert len(set(map(len, texts))) > 20
    assert any(not text.isascii() for text in texts)
    assert len(CHECK_TEXTS) == len(set(CHECK_TEXTS))


class Clocked:
    """An engine that takes processor time as it is told, on a clock of its own."""

    now = 0.0

    def __init__(self, cost: Callable[[], float]) -> None:
        self.batch = USUAL
        self._cost = cost

    def count(self, texts: Sequence[str]) -> list[int]:
        """One token each."""
        return [1] * len(texts)

    def embed(self, texts: Sequence[str]) -> None:
        """Take the time."""
        Clocked.now += len(texts) * self._cost()


@pytest.mark.parametrize(("speed", "expected"), [(1.0, "onnx-fp32"), (1.5, "openvino-bf16")])
def test_noise_does_not_decide(
    monkeypatch: pytest.MonkeyPatch, speed: float, expected: str
) -> None:
    """With times that spread by a third, an equal engine is not taken, and a faster one is."""
    rng = random.Random(5)
    monkeypatch.setattr(measuring.time, "process_time", lambda: Clocked.now)
    chosen: Counter[str] = Counter()
    for _ in range(1000):
        engines: Any = {
            "onnx-fp32": Clocked(lambda: rng.uniform(1.0, 1.33)),
            "openvino-bf16": Clocked(lambda: rng.uniform(1.0, 1.33) / speed),
        }
        tried = measuring.costs(engines, ["text"] * 10)
        found = {key: measuring.figures(ROWS, ROWS, tried[key]) for key in engines}
        chosen[settle(FIRST, Measured(found)).key] += 1
    assert chosen[expected] >= 995


def _children(monkeypatch: pytest.MonkeyPatch, program: str) -> list[subprocess.Popen[str]]:
    """Have a program run instead of the child; its arguments are those of the child."""
    started: list[subprocess.Popen[str]] = []
    start = child.start

    def other(_: str, arguments: list[str], folder: Path) -> subprocess.Popen[str]:
        (folder / "other.py").write_text(program, "utf-8")
        monkeypatch.setenv("PYTHONPATH", str(folder))
        started.append(start("other", arguments, folder))
        return started[-1]

    monkeypatch.setattr(measurement.child, "start", other)
    return started


def _wait(made: Measurement) -> None:
    deadline = time.monotonic() + 60
    while not made.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def made(tmp_path: Path) -> Measurement:
    """A measurement that was not begun."""
    return Measurement(locate("hash"), tmp_path / "model.onnx", FIRST, tmp_path / "a.json")


def test_the_child_is_told_what_to_measure(
    made: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the model, the graph, the file and the engines, and is started once."""
    program = "import json, sys; json.dump(sys.argv[1:], open(sys.argv[4], 'w'))"
    started = _children(monkeypatch, program)
    assert not made.ended
    made.start()
    made.start()
    _wait(made)
    made.start()
    parent, model, *others = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert int(parent) == os.getpid()
    assert json.loads(model)["pooling"] == "hash"
    assert others == [
        str(tmp_path / "model.onnx"),
        str(tmp_path / "a.json"),
        "onnx-fp32",
        "openvino-bf16",
    ]
    assert len(started) == 1


def test_a_child_that_dies_is_not_tried_again(
    made: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that breaks its process is told in the log, and remembered."""
    _children(monkeypatch, "import os; os.abort()")
    with capture_logs() as logs:
        made.start()
        _wait(made)
    assert recall(tmp_path / "a.json") == Measured(failed="exit status -6: no message")
    assert [entry["event"] for entry in logs] == ["engine_measurement_failed"]


@pytest.mark.parametrize(
    "program",
    ["import os; os.kill(os.getpid(), 9)", "raise MemoryError", 'raise OSError("bad_alloc")'],
)
def test_what_has_other_causes_says_nothing(
    made: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Short of memory, the system kills; the next process measures again."""
    _children(monkeypatch, program)
    made.start()
    _wait(made)
    assert recall(tmp_path / "a.json") is None


_PARENT = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from ingestd.embed.engines import child
from ingestd.embed.model import locate
model = json.dumps(asdict(locate("")), default=str)
arguments = [model, "pipe", "a.json", "onnx-fp32"]
started = child.start("ingestd.embed.engines.measuring", arguments, Path(sys.argv[1]))
print(started.pid, flush=True)
started.wait()
"""


def _runs(pid: int) -> bool:
    """Whether a process is there and has not ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no proc file system")
def test_it_ends_with_the_daemon(tmp_path: Path) -> None:
    """Killed in the middle, the daemon leaves no child that computes on, and nothing remembered."""
    os.mkfifo(tmp_path / "pipe")  # a model that never comes
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    deadline = time.monotonic() + 60
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not (tmp_path / "a.json").exists()


def test_a_stop_ends_the_child(
    made: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever closes the model in the middle leaves no process behind, and remembers nothing."""
    started = _children(monkeypatch, "import signal; signal.pause()")
    with capture_logs() as logs:
        made.start()
        deadline = time.monotonic() + 60
        while not started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        made.stop()
    assert started[0].returncode is not None
    assert not (tmp_path / "a.json").exists()
    assert logs == []
    made.start()
    assert len(started) == 1


def test_without_room_nothing_is_measured(
    made: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control group that is nearly full gets no further process."""
    started = _children(monkeypatch, "")
    monkeypatch.setattr(measurement, "taken", lambda: 600 * 1024**2)
    for limits, room in ((Allowed(), True), (Allowed(None, 2**30), False), (Allowed(2**31), True)):
        monkeypatch.setattr(cgroup, "allowed", lambda limits=limits: limits)
        assert measurement.has_room() is room
    monkeypatch.setattr(measurement, "has_room", lambda: False)
    made.start()
    _wait(made)
    assert started == []


def test_a_stop_before_the_start(made: Measurement) -> None:
    """Nothing is started any more."""
    made.stop()
    made.start()
    assert not made.ended
