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
        reason: `IGNORED`, ``secret`` or `UNREADABLE` (nobody can say: keep what is there). Empty
            when taken, but for ``secret``: a file that is listed, and never opened.
        rule: the pattern and where it stands, as ``drafts/ (.ingestignore:3)``.
    """

    taken: bool
    reason: str = ""
    rule: str = ""


TAKEN = Decision(taken=True)
HARMLESS = Decision(taken=True, rule="no secret")
"""Taken, and whatever looks like a secret in it is none."""
_RULE_FILE = Decision(taken=False, reason=IGNORED, rule=f"{RULE_FILE.decode()} files hold rules")
_NOT_INCLUDED = Decision(taken=False, reason=IGNORED, rule="no pattern matches (include)")


class Ruled:
    """The patterns of one place, and what each decides when it rules.

    Args:
        rules: patterns with their decisions; a negated one decides otherwise, whatever is given.
        folded: names are compared in lower case.
        otherwise: what that is.
    """

    __slots__ = ("_decisions", "_layer")

    def __init__(
        self,
        rules: Iterable[tuple[Pattern, Decision]],
        *,
        folded: bool = False,
        otherwise: Decision = TAKEN,
    ) -> None:
        listed = list(rules)
        self._layer = Layer.of([pattern for pattern, _ in listed], folded=folded)
        self._decisions = [otherwise if pattern.negated else verdict for pattern, verdict in listed]

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
        own: which files are secrets and which are none, by the configuration: asked last, of what
            the others take, and whatever they say.
        above: what the configuration says of secrets in a directory on the way here.
        secrets: which files are secrets by their names, where nobody asks for them.
    """

    path: bytes
    verdict: Decision | None = None
    nested: tuple[Ruled, ...] = ()
    fixed: tuple[Ruled, ...] = ()
    include: Ruled | None = None
    included: bool = False
    own: Ruled | None = None
    above: Decision | None = None
    secrets: Ruled | None = None

    def decide(self, name: bytes, *, is_dir: bool = False) -> Decision:
        """Decide about the entry ``name`` of this directory."""
        if self.verdict is not None:
            return self.verdict
        if name == RULE_FILE:
            return _RULE_FILE
        text = _text(name)
        ruled = self._ruled(text, is_dir=is_dir)
        if ruled is not None and not ruled.taken:
            return ruled
        if is_dir:
            return TAKEN
        secret = self._own(text, is_dir=False)
        if secret is None and ruled is None and self.secrets is not None:
            secret = self.secrets.decide(text, is_dir=False)
        return secret or TAKEN

    def _own(self, text: str, *, is_dir: bool) -> Decision | None:
        """What the configuration says of secrets in this file or directory."""
        decision = self.own.decide(text, is_dir=is_dir) if self.own else None
        return decision or self.above

    def _ruled(self, text: str, *, is_dir: bool) -> Decision | None:
        """What the rules say of a name, less those about secrets; None when nothing."""
        for layer in self.nested:
            decision = layer.decide(text, is_dir=is_dir)
            if decision is not None:
                return decision
        asked = None
        for layer in self.fixed:
            asked = layer.decide(text, is_dir=is_dir)
            if asked is not None:
                if not asked.taken:
                    return asked
                break
        if is_dir or self.include is None or self._includes(text, is_dir=False):
            return asked
        return _NOT_INCLUDED

    @property
    def weight(self) -> int:
        """How much memory it takes, in patterns."""
        single = filter(None, (self.include, self.own, self.secrets))
        layers = (*self.nested, *self.fixed, *single)
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
            self.own.below(text) if self.own else None,
            self._own(text, is_dir=True),
            self.secrets.below(text) if self.secrets else None,
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
