"""Is this path ours? Built-in excludes, the configuration, and ``.ingestignore`` files.

What comes later wins: built-in excludes, the configuration's ``exclude``, its ``include`` (which
only narrows: where it is given, a file that it does not match is not taken), then the
``.ingestignore`` files from the root down. Each is in gitignore syntax, and ``!`` takes back what
an earlier line ruled out, but nothing brings back a file inside an excluded directory.

A file that they take, and that holds credentials by its name, is listed but never opened; on that
``secret_rules`` has the last word.

Names are compared in Unicode NFC, so that a line typed on Linux also rules a file that came from
macOS. A ``.ingestignore`` that cannot be read rules out nothing and lets in nothing: what it
stands over is unknown, and the reason says `UNREADABLE`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

from ingestd.errors import ConfigError
from ingestd.watch.defaults import DEFAULTS, SECRET, SECRETS
from ingestd.watch.folder import (
    HARMLESS,
    IGNORED,
    TAKEN,
    UNREADABLE,
    Decision,
    Folder,
    Ruled,
)
from ingestd.watch.ignorefile import CACHED_FILES, RuleFiles
from ingestd.watch.patterns import Pattern, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingestd.watch.ignorefile import Key

__all__ = [
    "DEFAULT_MAX_FILE_BYTES",
    "HARMLESS",
    "IGNORED",
    "SECRET",
    "UNREADABLE",
    "Decision",
    "Rules",
    "steps",
]

DEFAULT_MAX_FILE_BYTES = 50 * 1024 * 1024

_CACHED_FOLDERS = 2048
CACHED = _CACHED_FOLDERS + CACHED_FILES
_CACHED_PATTERNS = 100_000
"""Of all folders together: a rule file of thousands of patterns weighs in each folder below."""
_PATTERN_BYTES = 10
"""How long a pattern in a rule file is at least, more or less."""


class Rules:
    """All rules of one source. Threads may share it.

    Args:
        root: the source's root directory.
        include: patterns; where given, only files that match one are taken.
        exclude: patterns; one that starts with ``!`` takes back a built-in exclude.
        defaults: whether the built-in excludes hold.
        secrets: whether files that hold credentials by their names are kept unopened.
        secret_rules: patterns of more such files; one that starts with ``!`` names files that hold
            none, whatever is found in them.
        max_file_bytes: files above it are listed by the scan, but not taken up.

    Raises:
        ConfigError: a pattern can never match.
    """

    def __init__(
        self,
        root: bytes,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        defaults: bool = True,
        secrets: bool = True,
        secret_rules: Sequence[str] = (),
        max_file_bytes: int = DEFAULT_MAX_FILE_BYTES,
    ) -> None:
        self.root = root
        self.max_file_bytes = max_file_bytes
        fixed = [_configured(exclude, "exclude")] if exclude else []
        self._top = Folder(
            b"",
            fixed=(*fixed, _built_in()) if defaults else tuple(fixed),
            include=_configured(include, "include") if include else None,
            own=_own_secrets(secret_rules) if secrets and secret_rules else None,
            secrets=_secrets() if secrets else None,
        )
        self._files = RuleFiles(root)
        self._lock = threading.Lock()
        self._cache: OrderedDict[bytes, tuple[Folder, Key | None, Folder, int]] = OrderedDict()
        self._weight = 0

    @property
    def cached(self) -> int:
        """Folders and rule files that are kept parsed; at most `CACHED` of them."""
        return len(self._cache) + len(self._files)

    def decide(self, path: bytes, *, is_dir: bool = False) -> Decision:
        """Decide about a path relative to the root; the root itself is taken if it is readable.

        Raises:
            ValueError: the path is absolute, or goes up.
        """
        if not path:
            return self.enter(b"").verdict or TAKEN
        directory, _, name = path.rpartition(b"/")
        if name in (b"", b".", b".."):
            raise ValueError(f"not a path relative to the root: {path!r}")
        return self.enter(directory).decide(name, is_dir=is_dir)

    def enter(self, directory: bytes) -> Folder:
        """The rules in a directory; costs one look for a rule file per directory on the way.

        Raises:
            ValueError: the path is absolute, or goes up.
        """
        folder = self._folder(self._top, None, b"")
        for name, path in steps(directory):
            folder = self._folder(folder, name, path)
        return folder

    def below(self, folder: Folder, name: bytes) -> Folder:
        """The rules in the subdirectory ``name`` of a folder, past the cache: for a walk."""
        verdict = folder.decide(name, is_dir=True)
        path = folder.path + b"/" + name if folder.path else name
        if not verdict.taken:
            return Folder(path, verdict)
        return folder.inside(name, self._files.read(path, self._files.key(path)))

    def _folder(self, parent: Folder, name: bytes | None, path: bytes) -> Folder:
        """The folder at ``path``: the cached one while its parent and its rule file are as then."""
        if parent.verdict is not None:
            return Folder(path, parent.verdict)
        key = self._files.key(path)
        with self._lock:
            cached = self._cache.get(path)
            if cached is not None and cached[0] is parent and cached[1] == key:
                self._cache.move_to_end(path)
                return cached[2]
        rule_file = self._files.read(path, key)
        folder = parent.with_rules(rule_file) if name is None else parent.inside(name, rule_file)
        weight = folder.weight + (key.size // _PATTERN_BYTES if key else 0)
        with self._lock:
            self._forget(path)
            self._cache[path] = (parent, key, folder, weight)
            self._weight += weight
            # The last one stays, however heavy: it is in use.
            while len(self._cache) > 1 and self._is_full():
                self._forget(next(iter(self._cache)))
        return folder

    def _is_full(self) -> bool:
        return len(self._cache) > _CACHED_FOLDERS or self._weight > _CACHED_PATTERNS

    def _forget(self, path: bytes) -> None:
        old = self._cache.pop(path, None)
        if old is not None:
            self._weight -= old[3]


def steps(directory: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each directory on the way from the root down to this one: its name and its path.

    Raises:
        ValueError: the path is absolute, or goes up.
    """
    end = 0
    for name in directory.split(b"/") if directory else ():
        if name in (b"", b".", b".."):
            raise ValueError(f"not a path relative to the root: {directory!r}")
        end += len(name)
        yield name, directory[:end]
        end += 1


def _configured(texts: Sequence[str], key: str) -> Ruled:
    return Ruled(
        (
            _pattern(text, key),
            Decision(taken=False, reason=IGNORED, rule=f"{text} ({key})"),
        )
        for text in texts
    )


def _pattern(text: str, key: str) -> Pattern:
    try:
        pattern = parse(text)
    except ValueError as error:
        raise ConfigError(f"{key}: the pattern {text!r} can match nothing: {error}") from error
    if pattern is None:
        raise ConfigError(
            f"{key}: {text!r} is a comment or blank, not a pattern",
            hint="Write `\\#` for a name that starts with #.",
        )
    return pattern


@cache
def _built_in() -> Ruled:
    rules = []
    for category, texts in DEFAULTS.items():
        reason = SECRET if category == SECRET else IGNORED
        for text in texts:
            verdict = Decision(taken=False, reason=reason, rule=f"{text} (built-in)")
            rules.append((_pattern(text, "built-in"), verdict))
    return Ruled(rules, folded=True)


@cache
def _secrets() -> Ruled:
    return Ruled(
        (
            (
                _pattern(text, "built-in"),
                Decision(taken=True, reason=SECRET, rule=f"{text} (built-in)"),
            )
            for text in SECRETS
        ),
        folded=True,
    )


def _own_secrets(texts: Sequence[str]) -> Ruled:
    key = "extract.secret_rules"
    return Ruled(
        (
            (_pattern(text, key), Decision(taken=True, reason=SECRET, rule=f"{text} ({key})"))
            for text in texts
        ),
        otherwise=HARMLESS,
    )
