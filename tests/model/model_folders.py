"""Operations on folders, and on the rules that lie in them."""

from __future__ import annotations

import os
import shutil

from hypothesis import strategies as st
from hypothesis.stateful import rule
from model_base import ModelBase
from model_files import enabled
from model_texts import content, folder_names, picks, seeds
from model_tree import exchange, remove, write

RULES = [b"*.txt\n", b"*.md\n!a.md\n", b"d1/\nsub\n", b"!*.tmp\n", b"", b"# nothing\n*\n"]
rule_texts = st.sampled_from(RULES)


class Folders(ModelBase):
    """Folders come, move and go."""

    @enabled("folders")
    @rule(where=picks, name=folder_names, files=st.lists(seeds, max_size=3))
    def make_folder(self, where: int, name: bytes, files: list[int]) -> None:
        """Make a folder, with files in it at once."""
        parent = self.pick(self.tree.folders(), where)
        if parent is None or not self.has_room(parent, len(files)):
            return
        path = os.path.join(parent, name)

        def make() -> None:
            os.mkdir(path)  # noqa: PTH102 - bytes paths
            for number, seed in enumerate(files):
                write(os.path.join(path, b"f%d.md" % number), content("md", seed, 2))

        self.act(f"make folder {path!r} with {files}", make)

    @enabled("folders")
    @rule(where=picks, one=folder_names, two=folder_names, seed=seeds)
    def make_deep(self, where: int, one: bytes, two: bytes, seed: int) -> None:
        """Make folder in folder with a file at its end, as fast as can be."""
        parent = self.pick(self.tree.folders(), where)
        if parent is None or not self.has_room(parent):
            return
        path = os.path.join(parent, one, two)

        def make() -> None:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103 - bytes paths
            write(os.path.join(path, b"deep.md"), content("md", seed, 1))

        self.act(f"make deep {path!r} {seed}", make)

    @enabled("folders")
    @rule(which=picks, where=picks, name=folder_names)
    def move_folder(self, which: int, where: int, name: bytes) -> None:
        """Give a folder another name and place."""
        path = self.pick(self.tree.folders(roots=False), which)
        parent = self.pick(self.tree.folders(), where)
        if path is None or parent is None or not self._fits(path, parent):
            return
        to = os.path.join(parent, name)
        self.act(f"move folder {path!r} to {to!r}", os.rename, path, to)

    @enabled("folders")
    @rule(which=picks, other=picks)
    def swap_folders(self, which: int, other: int) -> None:
        """Swap the names of two folders."""
        folders = self.tree.folders(roots=False)
        one, two = self.pick(folders, which), self.pick(folders, other)
        if one is None or two is None or one == two:
            return
        nested = one.startswith(two + b"/") or two.startswith(one + b"/")
        if not nested and self._fits(one, two) and self._fits(two, one):
            self.act(f"swap folders {one!r} and {two!r}", exchange, one, two)

    @enabled("folders")
    @rule(which=picks, name=folder_names)
    def move_folder_out(self, which: int, name: bytes) -> None:
        """Move a folder out of the source."""
        path = self.pick(self.tree.folders(roots=False), which)
        if path is not None:
            to = os.path.join(self.tree.outside, name)
            self.act(f"move folder out {path!r} to {to!r}", os.rename, path, to)

    @enabled("folders")
    @rule(which=picks, where=picks, name=folder_names)
    def move_folder_in(self, which: int, where: int, name: bytes) -> None:
        """Move a folder into the source."""
        path = self.pick(self.tree.folders(roots=False, outside=True), which)
        parent = self.pick(self.tree.folders(), where)
        if path is None or parent is None or not self._fits(path, parent):
            return
        to = os.path.join(parent, name)
        self.act(f"move folder in {path!r} to {to!r}", os.rename, path, to)

    @enabled("folders")
    @rule(which=picks, where=picks, name=folder_names)
    def copy_folder(self, which: int, where: int, name: bytes) -> None:
        """Copy a folder with all that is in it."""
        path = self.pick(self.tree.folders(roots=False), which)
        parent = self.pick(self.tree.folders(), where)
        if path is None or parent is None or not self._fits(path, parent):
            return
        to = os.path.join(parent, name)
        if not to.startswith(path + b"/"):
            self.act(
                f"copy folder {path!r} to {to!r}",
                lambda: shutil.copytree(os.fsdecode(path), os.fsdecode(to), symlinks=True),
            )

    @enabled("folders")
    @rule(which=picks)
    def remove_folder(self, which: int) -> None:
        """Remove a folder with all that is in it."""
        path = self.pick(self.tree.folders(roots=False), which)
        if path is not None:
            self.act(f"rm -r {path!r}", remove, path)

    @enabled("folders")
    @rule(which=picks, seed=seeds, files=st.booleans())
    def file_becomes_folder(self, which: int, seed: int, files: bool) -> None:  # noqa: FBT001
        """Put a folder in the place of a file."""
        path = self.pick(self.tree.files(), which)
        if path is None:
            return

        def become() -> None:
            remove(path)
            os.mkdir(path)  # noqa: PTH102 - bytes paths
            if files:
                write(os.path.join(path, b"inner.md"), content("md", seed, 1))

        self.act(f"file {path!r} becomes folder, file in it: {files}", become)

    @enabled("folders")
    @rule(which=picks, seed=seeds)
    def folder_becomes_file(self, which: int, seed: int) -> None:
        """Put a file in the place of a folder."""
        path = self.pick(self.tree.folders(roots=False), which)
        if path is None or not self.has_room(path):
            return

        def become() -> None:
            remove(path)
            write(path, content("md", seed, 1))

        self.act(f"folder {path!r} becomes file {seed}", become)

    @enabled("modes")
    @rule(which=picks)
    def close_folder(self, which: int) -> None:
        """Make a folder unreadable."""
        path = self.pick(self.tree.folders(roots=False), which)
        if path is not None:
            self.silent = True
            self.act(f"chmod 000 {path!r}", os.chmod, path, 0)

    @enabled("rules")
    @rule(where=picks, text=rule_texts)
    def write_rules(self, where: int, text: bytes) -> None:
        """Write rules into a folder."""
        folder = self.pick(self.tree.folders(), where)
        if folder is not None and self.has_room(folder):
            path = os.path.join(folder, b".ingestignore")
            self.act(f"write {path!r} {text!r}", write, path, text)

    @enabled("rules")
    @rule(which=picks)
    def remove_rules(self, which: int) -> None:
        """Remove the rules of a folder."""
        files = [path for path in self.tree.files() if path.endswith(b"/.ingestignore")]
        path = self.pick(files, which)
        if path is not None:
            self.act(f"remove {path!r}", remove, path)

    def _fits(self, path: bytes, parent: bytes) -> bool:
        """Whether the root of ``parent`` has room for what is in ``path``."""
        return self.has_room(parent, sum(len(files) for _, _, files in os.walk(path)))
