"""What every operation stands on: a tree, a daemon on it, a history, and the comparison."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize
from model_instance import Config, Folder, Instance
from model_process import Process, preload
from model_rest import Resting
from model_tally import GO_ON, PLACE, TALLY, FindingError
from model_texts import content
from model_tree import Tree, write

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILIES = ("edits", "saves", "moves", "folders", "links", "modes", "rules", "crashes", "lives")


class ModelBase(Resting):
    """A tree and a daemon; subclasses bring the operations."""

    store = "embedded"

    def __init__(self) -> None:
        super().__init__()
        TALLY.begin()
        preload()
        self.base = Path(tempfile.mkdtemp(prefix="ingestd-model-", dir=PLACE))
        self.tree = Tree(
            (os.fsencode(self.base / "docs"), os.fsencode(self.base / "more")),
            os.fsencode(self.base / "outside"),
        )
        self.tree.make()
        self.history: list[str] = []
        self.families: frozenset[str] = frozenset()
        self.beside: list[Process] = []
        self.open_files: list[IO[bytes]] = []
        self.rhythm = 0
        self.acts = 0
        self.silent = False
        self.excused: set[int] = set()
        self.failed = False
        self.began = time.monotonic()
        main = Folder(self.tree.roots[0], "docs")
        self.instance = Instance(self.base, Config((main,)), self.store)

    @initialize(
        families=st.sets(st.sampled_from(FAMILIES), min_size=3),
        second=st.booleans(),
        batch=st.sampled_from([256, 2]),
        reconcile_s=st.sampled_from([600.0, 600.0, 1.0]),
        rhythm=st.sampled_from([1, 2, 4, 9, 0]),
        files=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=8),
    )
    def begin(
        self,
        families: set[str],
        second: bool,  # noqa: FBT001 - hypothesis gives it by name
        batch: int,
        reconcile_s: float,
        rhythm: int,
        files: list[tuple[int, int]],
    ) -> None:
        """Choose what may happen, fill the tree, and start.

        Args:
            families: the operations that there are in this example.
            second: whether there is a second source.
            batch: documents in hand at once.
            reconcile_s: between full scans.
            rhythm: the daemon comes to rest after so many operations; 0 for at no set time.
            files: seeds and sizes of the first files.
        """
        self.families = frozenset(families)
        self.rhythm = rhythm
        if second:
            self.toggle_second()
        self.configure(batch=batch, reconcile_s=reconcile_s)
        for number, (seed, sections) in enumerate(files):
            path = os.path.join(self.tree.roots[0], b"first%d.md" % number)
            write(path, content("md", seed, sections))
        what = f"{sorted(families)}, at rest after {rhythm}, {self.instance.config}"
        self.note(f"begin with {what}, files {files}")
        self.start()

    def note(self, what: str) -> None:
        """Write down what was done."""
        self.history.append(f"{time.monotonic() - self.began:7.2f} {what}")

    def act(self, what: str, *operation: Any) -> None:
        """Do something to the tree; what the file system refuses is written down and forgotten."""
        TALLY.operations += 1
        self.acts += 1
        if self.rhythm and self.acts % self.rhythm == 0 and self.guarded(self.settle):
            return
        function, *arguments = operation
        short = what.replace(str(self.base), "")
        try:
            function(*arguments)
        except (OSError, shutil.Error) as error:
            short += f" -> {type(error).__name__}"
        self.note(short)

    def pick(self, choices: list[bytes], which: int) -> bytes | None:
        """One of these, counted around."""
        return choices[which % len(choices)] if choices else None

    def has_room(self, place: bytes, number: int = 1) -> bool:
        """Whether the root of this place takes so many more files."""
        return self.tree.room(place) >= number

    def configure(self, **changes: Any) -> None:
        """Change the configuration of the next start."""
        self.instance.config = replace(self.instance.config, **changes)

    def toggle_second(self, collection: str = "ingestd") -> None:
        """Add the second source, or take it out."""
        main, *rest = self.instance.config.folders
        second = () if rest else (Folder(self.tree.roots[1], "more", collection),)
        self.configure(folders=(main, *second))

    def guarded(self, check: Callable[[], None]) -> bool:
        """Run a check; whether the example is over, because there is a finding already."""
        if self.failed:
            return True
        try:
            check()
        except FindingError:
            if not GO_ON:
                raise
        return self.failed

    def teardown(self) -> None:
        """Make everything readable, and compare a last time."""
        TALLY.end()
        try:
            if self.instance.starts and not self.failed:
                self.tree.open_all()
                self.silent = True
                self.note("everything readable again; the end")
                self.guarded(self.compare)
        finally:
            for file in self.open_files:
                file.close()
            self.instance.kill()
            for process in self.beside:
                process.wait(60)
            if not self.failed:
                self.tree.open_all()
                shutil.rmtree(self.base, ignore_errors=True)
