"""Fills the templates. What comes from files is escaped, wherever it stands."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ingestd.visible import clean, prose

from .view import SECTIONS, View

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """The templates, with escaping on for every one of them."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - seldom needed

    made = Environment(
        loader=PackageLoader("ingestd.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"clean": clean, "prose": prose}
    return made


def sections(view: View) -> dict[str, str]:
    """The HTML of each section, without its frame."""
    return {name: section(view, name) for name in SECTIONS}


def section(view: View, name: str) -> str:
    """The HTML of one section."""
    template = environment().get_template(f"{name}.html")
    return template.render(say=view.say, **view.section(name))


def whole(values: dict[str, Any]) -> str:
    """The page."""
    return environment().get_template("page.html").render(values)
