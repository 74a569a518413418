"""Operations on single files, as people and their editors do them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from model_base import ModelBase
from model_texts import (
    content,
    file_names,
    insertion,
    kinds,
    picks,
    seeds,
    shares,
    sizes,
)
from model_tree import SAVES, exchange, is_link, patch, read, remove, write

Operation = TypeVar("Operation", bound=Callable[..., None])


def enabled(family: str) -> Callable[[Operation], Operation]:
    """Only in examples that drew this family of operations."""
    return precondition(lambda machine: family in machine.families and not machine.failed)


running = precondition(lambda machine: not machine.failed)


class Files(ModelBase):
    """Files come, change and go."""

    @precondition(lambda machine: machine.failed)
    @rule()
    def over(self) -> None:
        """Do nothing more after a finding."""

    @running
    @rule(where=picks, name=file_names, kind=kinds, seed=seeds, size=sizes)
    def create(self, where: int, name: bytes, kind: str, seed: int, size: int) -> None:
        """Write a file, new or over an old one."""
        folder = self.pick(self.tree.folders(), where)
        if folder is not None and self.has_room(folder):
            path = os.path.join(folder, name)
            self.act(
                f"create {path!r} {kind} {seed} {size}", write, path, content(kind, seed, size)
            )

    @running
    @rule(
        which=picks,
        share=shares,
        how=st.sampled_from(["insert", "delete", "truncate", "append", "overwrite"]),
        seed=seeds,
    )
    def edit(self, which: int, share: float, how: str, seed: int) -> None:
        """Change a file in place."""
        path = self.pick(self.tree.files(), which)
        if path is not None:
            self.act(
                f"edit {path!r} {how} at {share} {seed}", patch, path, share, how, insertion(seed)
            )

    @running
    @rule(which=picks)
    def delete(self, which: int) -> None:
        """Delete a file."""
        path = self.pick(self.tree.files(), which)
        if path is not None:
            self.act(f"delete {path!r}", remove, path)

    @enabled("saves")
    @rule(which=picks, how=st.sampled_from(sorted(SAVES)), seed=seeds)
    def save(self, which: int, how: str, seed: int) -> None:
        """Save as editors do, with a line more."""
        path = self.pick(self.tree.files(), which)
        if path is not None and self.has_room(path, 2):

            def changed() -> None:
                SAVES[how](path, insertion(seed) + read(path))

            self.act(f"save {path!r} like {how} {seed}", changed)

    @enabled("saves")
    @rule(which=picks, seed=seeds)
    def write_slowly(self, which: int, seed: int) -> None:
        """Write in two parts, with a pause between them."""
        path = self.pick(self.tree.files(), which)
        if path is None:
            return

        def slowly() -> None:
            with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - bytes paths
                file.write(content("md", seed, 2))
                time.sleep(0.06)  # longer than it waits for quiet: the half is read
                file.write(insertion(seed))

        self.act(f"write slowly {path!r} {seed}", slowly)

    @enabled("saves")
    @rule(which=picks, seed=seeds)
    def write_and_hold(self, which: int, seed: int) -> None:
        """Write, and keep the file open."""
        path = self.pick(self.tree.files(), which)
        if path is not None:

            def hold() -> None:
                file = open(path, "ab", buffering=0)  # noqa: PTH123, SIM115 - held on purpose
                file.write(insertion(seed))
                self.open_files.append(file)

            self.act(f"write and hold {path!r} {seed}", hold)

    @enabled("edits")
    @rule(which=picks, share=shares, seed=seeds)
    def edit_and_restore_times(self, which: int, share: float, seed: int) -> None:
        """Change a file, but neither its size nor its mtime."""
        path = self.pick(self.tree.files(), which)
        if path is not None:

            def disguised() -> None:
                before = os.stat(path)  # noqa: PTH116 - bytes paths
                patch(path, share, "overwrite", insertion(seed))
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

            self.act(f"edit and restore times of {path!r} at {share} {seed}", disguised)

    @enabled("edits")
    @rule(which=picks, ago_s=st.sampled_from([0, 1, 86_400, 4_000_000_000]))
    def touch(self, which: int, ago_s: int) -> None:
        """Set the times of a file, to now or long ago."""
        path = self.pick(self.tree.files(), which)
        if path is not None:
            at = (time.time_ns() - ago_s * 10**9,) * 2
            self.act(f"touch {path!r} {ago_s} s ago", lambda: os.utime(path, ns=at))

    @enabled("edits")
    @rule(which=picks, where=picks, name=file_names, times=st.booleans())
    def copy(self, which: int, where: int, name: bytes, times: bool) -> None:  # noqa: FBT001
        """Copy a file, with or without its times."""
        path, folder = self.pick(self.tree.files(), which), self.pick(self.tree.folders(), where)
        if path is not None and folder is not None and self.has_room(folder):
            to = os.path.join(folder, name)
            self.act(f"copy {path!r} to {to!r}", shutil.copy2 if times else shutil.copy, path, to)

    @enabled("moves")
    @rule(which=picks, where=picks, name=file_names)
    def rename(self, which: int, where: int, name: bytes) -> None:
        """Give a file another name and place, maybe that of another file."""
        path, folder = self.pick(self.tree.files(), which), self.pick(self.tree.folders(), where)
        if path is not None and folder is not None and self.has_room(folder):
            to = os.path.join(folder, name)
            self.act(f"rename {path!r} to {to!r}", os.rename, path, to)

    @enabled("moves")
    @rule(which=picks, other=picks)
    def rename_over(self, which: int, other: int) -> None:
        """Put a file into the place of another."""
        path, to = self.pick(self.tree.files(), which), self.pick(self.tree.files(), other)
        if path is not None and to is not None:
            self.act(f"rename {path!r} over {to!r}", os.rename, path, to)

    @enabled("moves")
    @rule(which=picks, other=picks)
    def swap(self, which: int, other: int) -> None:
        """Swap the names of two files."""
        one, two = self.pick(self.tree.files(), which), self.pick(self.tree.files(), other)
        if one is not None and two is not None and one != two:
            self.act(f"swap {one!r} and {two!r}", exchange, one, two)

    @enabled("moves")
    @rule(which=picks, name=file_names)
    def move_out(self, which: int, name: bytes) -> None:
        """Move a file out of the source."""
        path = self.pick(self.tree.files(), which)
        if path is not None:
            to = os.path.join(self.tree.outside, name)
            self.act(f"move out {path!r} to {to!r}", os.rename, path, to)

    @enabled("moves")
    @rule(which=picks, where=picks, name=file_names)
    def move_in(self, which: int, where: int, name: bytes) -> None:
        """Move a file into the source."""
        path = self.pick(self.tree.files(outside=True), which)
        folder = self.pick(self.tree.folders(), where)
        if path is not None and folder is not None and self.has_room(folder):
            to = os.path.join(folder, name)
            self.act(f"move in {path!r} to {to!r}", os.rename, path, to)

    @enabled("links")
    @rule(which=picks, where=picks, name=file_names, outside=st.booleans())
    def hard_link(self, which: int, where: int, name: bytes, outside: bool) -> None:  # noqa: FBT001
        """Give a file a second name, inside or outside."""
        path = self.pick(self.tree.files(), which)
        folder = self.tree.outside if outside else self.pick(self.tree.folders(), where)
        if path is not None and folder is not None and self.has_room(folder):
            to = os.path.join(folder, name)
            self.silent = True
            self.act(f"link {path!r} as {to!r}", lambda: os.link(path, to, follow_symlinks=False))

    @enabled("links")
    @rule(which=picks, seed=seeds)
    def edit_outside(self, which: int, seed: int) -> None:
        """Change a file by a name that is in no source."""
        path = self.pick(self.tree.files(outside=True), which)
        if path is not None:
            self.silent = True
            self.act(f"edit outside {path!r} {seed}", patch, path, 1.0, "append", insertion(seed))

    @enabled("links")
    @rule(
        which=picks,
        where=picks,
        name=file_names,
        to=st.sampled_from(["file", "folder", "outside", "nothing"]),
    )
    def symlink(self, which: int, where: int, name: bytes, to: str) -> None:
        """Make a link, to a file, a folder, out of the source, or to nothing."""
        folder = self.pick(self.tree.folders(), where)
        targets = {
            "file": self.tree.files(),
            "folder": self.tree.folders(),
            "outside": self.tree.files(outside=True),
        }.get(to, [])
        target = self.pick(targets, which) or b"nothing"
        if folder is not None and self.has_room(folder):
            path = os.path.join(folder, name)
            self.silent = True
            self.act(f"symlink {path!r} to {target!r}", os.symlink, target, path)

    @enabled("modes")
    @rule(which=picks)
    def close_file(self, which: int) -> None:
        """Make a file unreadable."""
        path = self.pick(self.tree.files(), which)
        if path is not None and not is_link(path):
            self.act(f"chmod 000 {path!r}", os.chmod, path, 0)

    @enabled("modes")
    @rule(which=picks)
    def open_again(self, which: int) -> None:
        """Make what is unreadable readable again."""
        path = self.pick(self.tree.closed(), which)
        if path is not None and not is_link(path):
            mode = 0o755 if os.path.isdir(path) else 0o644
            self.silent = self.silent or os.path.isdir(path)
            self.act(f"chmod {mode:o} {path!r}", os.chmod, path, mode)
