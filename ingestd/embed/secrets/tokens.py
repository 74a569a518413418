"""Tokens by the form that their issuers gave them, where they look as if drawn at random."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .keys import decoded
from .likely import is_random, is_random_letters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEAR_CHARS = 400
_WELL_KNOWN = ("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",)
"""Published on purpose: the account of a storage emulator."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One kind of token.

    Attributes:
        kind: what it is, for people.
        literal: what each begins with, or nearly: searched first, because that is quick.
        pattern: the token from there on; its first group is what must look random.
        proves: whether what was matched is one.
        near: the pattern may also match further on.
    """

    kind: str
    literal: str
    pattern: re.Pattern[str]
    proves: Callable[[re.Match[str]], bool]
    near: bool = False


def find(text: str) -> Iterator[tuple[int, str]]:
    """Yield where a token is, and of what kind; time is linear in the text's length."""
    for form in _FORMS:
        for found in _matches(form, text):
            if form.proves(found):
                yield found.start(), form.kind


def _matches(form: _Form, text: str) -> Iterator[re.Match[str]]:
    at = text.find(form.literal)
    if at >= 0 and form.near:
        yield from form.pattern.finditer(text, at)
        return
    while at >= 0:
        if found := form.pattern.match(text, at):
            yield found
        at = text.find(form.literal, at + len(form.literal))


def _drawn(found: re.Match[str]) -> bool:
    return is_random(found[1])


def _drawn_letters(found: re.Match[str]) -> bool:
    return is_random_letters(found[1])


def _storage_key(found: re.Match[str]) -> bool:
    return is_random(found[1]) and not found[1].startswith(_WELL_KNOWN)


def _with_secret(found: re.Match[str]) -> bool:
    """Whether the secret is near the id of a key of Amazon's: the id alone opens nothing."""
    if "EXAMPLE" in found[0]:
        return False
    near = found.string[max(0, found.start() - _NEAR_CHARS) : found.end() + _NEAR_CHARS]
    return any(_mixed(one[1]) for one in _AMAZON_SECRET.finditer(near))


def _mixed(text: str) -> bool:
    """Whether letters of both cases and digits are in it: unlike a path, or a digest."""
    kinds = (r"[a-z]", r"[A-Z]", r"\d")
    return is_random(text) and all(re.search(kind, text) for kind in kinds)


def _amazon(found: re.Match[str]) -> bool:
    return _mixed(found[1])


def _after_prefix(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - _NEAR_CHARS) : found.start()]
    return bool(_SK.search(before)) and is_random(found[1])


def _holds_key(found: re.Match[str]) -> bool:
    return b"PRIVATE KEY-----" in decoded(found[1])


def _text(found: re.Match[str]) -> bool:
    return bool(decoded(found[1])) and decoded(found[1]).isascii()


def _login(found: re.Match[str]) -> bool:
    user, colon, word = decoded(found[1]).partition(b":")
    return bool(user and colon and word) and user.isascii() and b"\0" not in word


def _form(
    kind: str,
    literal: str,
    pattern: str,
    proves: Callable[[re.Match[str]], bool] = _drawn,
    *,
    near: bool = False,
) -> _Form:
    return _Form(kind, literal, re.compile(pattern), proves, near)


_W = r"[A-Za-z0-9]"
_D = r"[A-Za-z0-9_-]"
_B = r"(?<![A-Za-z0-9_-])"
_E = r"(?![A-Za-z0-9_-])"
_AMAZON_SECRET = re.compile(r"(?<![A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_SK = re.compile(r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{16,120}\Z")
_FORMS = (
    *(
        _form("GitHub token", prefix, rf"{_B}{prefix}({_W}{{36,255}}){_E}")
        for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _form("GitHub token", "github_pat_", rf"{_B}github_pat_({_W}{{22}}_{_W}{{59}}){_E}"),
    _form("GitLab token", "glpat-", rf"{_B}glpat-({_D}{{20,64}}){_E}"),
    _form("Slack token", "xox", rf"{_B}xox[abeoprs]-((?:\d{{5,15}}-){{1,3}}{_D}{{20,80}}){_E}"),
    _form(
        "Slack webhook",
        "hooks.slack.com/services/",
        rf"hooks\.slack\.com/services/T\w{{7,12}}/B\w{{7,12}}/({_W}{{24}}){_E}",
    ),
    _form("AWS key", "AKIA", r"(?<![A-Z0-9])AKIA([A-Z2-7]{16})(?![A-Z0-9])", _with_secret),
    _form("AWS key", "ASIA", r"(?<![A-Z0-9])ASIA([A-Z2-7]{16})(?![A-Z0-9])", _with_secret),
    _form(
        "AWS key",
        "aws_secret_access_key",
        r"aws_secret_access_key[\"']?\s{0,4}[=:]\s{0,4}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        _amazon,
    ),
    _form("Google API key", "AIza", rf"{_B}AIza({_D}{{35}}){_E}"),
    _form("Google client secret", "GOCSPX-", rf"{_B}GOCSPX-({_D}{{28}}){_E}"),
    _form("Google access token", "ya29.", rf"{_B}ya29\.({_D}{{40,500}}){_E}"),
    _form("Stripe key", "k_live_", rf"(?<=[sr])k_live_({_W}{{24,128}}){_E}"),
    _form("npm token", "npm_", rf"{_B}npm_({_W}{{36}}){_E}"),
    _form(
        "npm token",
        "_authToken",
        r"_authToken\s{0,4}=\s{0,4}\"?([A-Za-z0-9-][A-Za-z0-9_.+/=-]{19,500})",
    ),
    _form("npm login", "_auth", r"_auth\s{0,4}=\s{0,4}\"?([A-Za-z0-9+/]{12,4000}={0,2})", _login),
    _form(
        "npm login",
        ":_password",
        r":_password\s{0,4}=\s{0,4}\"?([A-Za-z0-9+/]{8,4000}={0,2})",
        _text,
    ),
    _form("PyPI token", "pypi-AgE", rf"{_B}pypi-(AgE{_D}{{50,500}}){_E}"),
    _form("Hugging Face token", "hf_", rf"{_B}hf_({_W}{{34}}){_E}", _drawn_letters),
    _form("Anthropic key", "sk-ant-", rf"{_B}sk-ant-{_W}{{3,8}}-({_D}{{40,200}}){_E}"),
    _form("OpenAI key", "T3BlbkFJ", rf"T3BlbkFJ({_D}{{16,120}}){_E}", _after_prefix),
    _form("SendGrid key", "SG.", rf"{_B}SG\.({_D}{{22}}\.{_D}{{43}}){_E}"),
    _form("DigitalOcean token", "_v1_", rf"(?<=do[opr])_v1_([a-f0-9]{{64}}){_E}"),
    _form("Azure storage key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)", _storage_key),
    _form("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1([02-9AC-HJ-NP-Z]{58})"),
    _form(
        "PuTTY key", "Private-Lines:", r"Private-Lines:\s{0,4}\d{1,4}\s{1,4}([A-Za-z0-9+/=]{40})"
    ),
    _form("WireGuard key", "PrivateKey", r"PrivateKey\s{0,4}=\s{0,4}([A-Za-z0-9+/]{43}=)(?!=)"),
    _form(
        "key of a kubeconfig",
        "client-key-data",
        r"client-key-data\"?:\s{0,4}\"?([A-Za-z0-9+/]{100,20000})",
        _holds_key,
    ),
    _form(
        "login of a registry",
        '"auths"',
        r"\"auth\"\s{0,8}:\s{0,8}\"([A-Za-z0-9+/]{12,4000}={0,2})\"",
        _login,
        near=True,
    ),
)
