"""What who looks at the page chose: language and colours, kept in one cookie. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .language import LANGUAGES, accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("auto", "light", "dark")
COOKIE = "ingestd"
YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Wishes:
    """A choice.

    Attributes:
        language: one of `LANGUAGES`.
        scheme: one of `SCHEMES`.
    """

    language: str
    scheme: str = SCHEMES[0]

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Wishes:
        """What a browser tells; anything else than a choice of ours counts as none."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            found = None
        language, _, scheme = (found.value if found else "").partition("-")
        heard = accepted(headers.get("accept-language", ""))
        return cls(
            language if language in LANGUAGES else heard,
            scheme if scheme in SCHEMES else SCHEMES[0],
        )

    def changed(self, values: Mapping[str, str]) -> Wishes:
        """The same with what a query asks for."""
        language, scheme = values.get("lang"), values.get("scheme")
        return replace(
            self,
            language=language if language in LANGUAGES else self.language,
            scheme=scheme if scheme in SCHEMES else self.scheme,
        )

    @property
    def cookie(self) -> str:
        """The header that has a browser remember it."""
        kept = f"Max-Age={YEAR_S}; Path=/; SameSite=Strict; HttpOnly"
        return f"{COOKIE}={self.language}-{self.scheme}; {kept}"


def rest_of(values: Mapping[str, str]) -> str:
    """The address of the page with what was asked, and without the choice."""
    asked = {name: values[name] for name in ("q", "source") if values.get(name)}
    return f"/?{urlencode(asked)}" if asked else "/"
