"""``.ingestignore`` files: read when they change, and never through a link.

Whoever can write to a watched folder writes these files, so they are bounded in size, and only a
regular file is opened: a link could make a foreign file's lines appear as rules in messages.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass

from ingestd.watch.patterns import Pattern, parse

RULE_FILE = b".ingestignore"
MAX_RULE_FILE_BYTES = 128 * 1024

CACHED_FILES = 512
_CACHED_BYTES = 512 * 1024
"""Of all rule files together; parsed, they take up to 160 times as much."""


@dataclass(frozen=True, slots=True)
class Key:
    """What changes when a rule file changes: its inode, times and size; or why nobody can say."""

    inode: int
    mtime_ns: int
    ctime_ns: int
    size: int
    problem: str = ""

    @classmethod
    def of(cls, found: os.stat_result) -> Key:
        """Take the key from a stat result."""
        problem = ""
        if not stat.S_ISREG(found.st_mode):
            problem = f"{RULE_FILE.decode()} is not a regular file"
        elif found.st_size > MAX_RULE_FILE_BYTES:
            problem = f"{RULE_FILE.decode()} is larger than {MAX_RULE_FILE_BYTES} bytes"
        return cls(found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, problem)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule file's patterns, or why they are unknown.

    Attributes:
        patterns: line number from 1, the line, and the pattern that it is.
        problem: why nobody knows them; empty when the file was read, or when there is none.
    """

    patterns: tuple[tuple[int, str, Pattern], ...] = ()
    problem: str = ""


_NONE = RuleFile()


class RuleFiles:
    """The rule files below one root, the last few hundred of them kept parsed."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, tuple[Key, RuleFile]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._cache)

    def key(self, directory: bytes) -> Key | None:
        """The key of a directory's rule file; None when it has none."""
        try:
            return Key.of(os.lstat(self._path(directory)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return Key(0, 0, 0, 0, error.strerror or str(error))

    def read(self, directory: bytes, key: Key | None) -> RuleFile:
        """The rule file that `key` found; from the cache while the key is the same."""
        if key is None:
            return _NONE
        if key.problem:
            return RuleFile(problem=key.problem)
        with self._lock:
            cached = self._cache.get(directory)
            if cached is not None and cached[0] == key:
                self._cache.move_to_end(directory)
                return cached[1]
        rule_file = _read(self._path(directory))
        with self._lock:
            self._forget(directory)
            self._cache[directory] = (key, rule_file)
            self._bytes += key.size
            while len(self._cache) > CACHED_FILES or self._bytes > _CACHED_BYTES:
                self._forget(next(iter(self._cache)))
        return rule_file

    def _forget(self, directory: bytes) -> None:
        old = self._cache.pop(directory, None)
        if old is not None:
            self._bytes -= old[0].size

    def _path(self, directory: bytes) -> bytes:
        return b"%b/%b/%b" % (self._root, directory, RULE_FILE)


def _read(path: bytes) -> RuleFile:
    """Read and parse; a file that vanished meanwhile rules nothing."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
        try:
            problem = Key.of(os.fstat(descriptor)).problem
            data = b"" if problem else os.read(descriptor, MAX_RULE_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return _NONE
    except OSError as error:
        return RuleFile(problem=f"{RULE_FILE.decode()}: {error.strerror or error}")
    return RuleFile(problem=problem) if problem else RuleFile(_parse(data))


def _parse(data: bytes) -> tuple[tuple[int, str, Pattern], ...]:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    patterns = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r")
        try:
            pattern = parse(line)
        except ValueError:
            continue  # git, too, passes over a line that can match nothing
        if pattern is not None:
            patterns.append((number, _shown(line), pattern))
    return tuple(patterns)


def _shown(line: str) -> str:
    """The line as a message may show it."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
