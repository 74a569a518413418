"""The rules as they stand in one directory; pure, the rule files are read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestd.watch.ignorefile import RULE_FILE
from ingestd.watch.patterns import Layer, comparable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestd.watch.ignorefile import RuleFile
    from ingestd.watch.patterns import Pattern

IGNORED = "ignored"
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a path is taken, and why not.

    Attributes:
        taken: the path is ours.
        reason: empty when taken; else `IGNORED`, ``secret`` or `UNREADABLE` (nobody can say: keep
            what is there).
        rule: the pattern and where it stands, as ``drafts/ (.ingestignore:3)``.
    """

    taken: bool
    reason: str = ""
    rule: str = ""


TAKEN = Decision(taken=True)
_RULE_FILE = Decision(taken=False, reason=IGNORED, rule=f"{RULE_FILE.decode()} files hold rules")
_NOT_INCLUDED = Decision(taken=False, reason=IGNORED, rule="no pattern matches (include)")


class Ruled:
    """The patterns of one place, and what each decides when it rules.

    Args:
        rules: patterns with their decisions; a negated one decides `TAKEN` whatever is given.
        folded: names are compared in lower case.
    """

    __slots__ = ("_decisions", "_layer")

    def __init__(self, rules: Iterable[tuple[Pattern, Decision]], *, folded: bool = False) -> None:
        listed = list(rules)
        self._layer = Layer.of([pattern for pattern, _ in listed], folded=folded)
        self._decisions = [TAKEN if pattern.negated else verdict for pattern, verdict in listed]

    @property
    def weight(self) -> int:
        """How many patterns it holds that those above it do not."""
        return self._layer.weight

    def decide(self, name: str, *, is_dir: bool) -> Decision | None:
        """What the last pattern that matches decides; None when none does."""
        index = self._layer.last(name, is_dir=is_dir)
        return None if index < 0 else self._decisions[index]

    def below(self, name: str) -> Ruled:
        """The same inside the directory ``name``."""
        layer = self._layer.below(name)
        if layer is self._layer:
            return self
        moved = Ruled(())
        moved._layer, moved._decisions = layer, self._decisions
        return moved


@dataclass(frozen=True, slots=True)
class Folder:
    """The rules in one directory: decides about its entries by name alone.

    Attributes:
        path: the directory, relative to the root; empty for the root.
        verdict: set when all entries share one fate: the directory is ruled out, or its rules
            cannot be read.
        nested: rules of ``.ingestignore`` files, the deepest first; the first that has something
            to say decides.
        fixed: rules of the configuration, then the built-in ones, asked in this order after that.
        include: the patterns of which a file must match one; None when all are taken.
        included: a directory on the way here matched one.
    """

    path: bytes
    verdict: Decision | None = None
    nested: tuple[Ruled, ...] = ()
    fixed: tuple[Ruled, ...] = ()
    include: Ruled | None = None
    included: bool = False

    def decide(self, name: bytes, *, is_dir: bool = False) -> Decision:
        """Decide about the entry ``name`` of this directory."""
        if self.verdict is not None:
            return self.verdict
        if name == RULE_FILE:
            return _RULE_FILE
        text = _text(name)
        for layer in self.nested:
            decision = layer.decide(text, is_dir=is_dir)
            if decision is not None:
                return decision
        for layer in self.fixed:
            decision = layer.decide(text, is_dir=is_dir)
            if decision is not None:
                if not decision.taken:
                    return decision
                break
        if is_dir or self.include is None or self._includes(text, is_dir=False):
            return TAKEN
        return _NOT_INCLUDED

    @property
    def weight(self) -> int:
        """How much memory it takes, in patterns."""
        layers = (*self.nested, *self.fixed, *filter(None, (self.include,)))
        return 1 + sum(layer.weight for layer in layers)

    def inside(self, name: bytes, rule_file: RuleFile) -> Folder:
        """The folder of the subdirectory ``name``, which has this rule file."""
        path = self.path + b"/" + name if self.path else name
        verdict = self.decide(name, is_dir=True)
        if not verdict.taken:
            return Folder(path, verdict)
        text = _text(name)
        inherited = Folder(
            path,
            None,
            tuple(layer.below(text) for layer in self.nested),
            tuple(layer.below(text) for layer in self.fixed),
            self.include.below(text) if self.include else None,
            self.include is not None and self._includes(text, is_dir=True),
        )
        return inherited.with_rules(rule_file)

    def with_rules(self, rule_file: RuleFile) -> Folder:
        """The same directory under its own rule file, which wins over what it inherits."""
        if rule_file.problem:
            rule = f"{self.path.decode('utf-8', 'replace') or '.'}: {rule_file.problem}"
            return Folder(self.path, Decision(taken=False, reason=UNREADABLE, rule=rule))
        if not rule_file.patterns:
            return self
        place = self.path + b"/" + RULE_FILE if self.path else RULE_FILE
        shown = place.decode("utf-8", "replace")
        own = Ruled(
            (pattern, Decision(taken=False, reason=IGNORED, rule=f"{text} ({shown}:{number})"))
            for number, text, pattern in rule_file.patterns
        )
        return replace(self, nested=(own, *self.nested))

    def _includes(self, text: str, *, is_dir: bool) -> bool:
        decision = self.include.decide(text, is_dir=is_dir) if self.include else None
        return self.included if decision is None else not decision.taken


def _text(name: bytes) -> str:
    return comparable(name.decode("utf-8", "surrogateescape"))
