"""The extras that read more formats: what they are called, and whether they are installed."""

from __future__ import annotations

EXTRAS = {"hwp": "unhwp"}
"""Each extra, and the package that comes with it."""


def version_of(extra: str) -> str:
    """The version of what comes with an extra; empty when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow to load

    try:
        return version(EXTRAS[extra])
    except PackageNotFoundError:
        return ""


def is_installed(extra: str) -> bool:
    """Whether what comes with an extra is there."""
    return bool(version_of(extra))


def needs(extra: str) -> str:
    """The reason of what is skipped for want of an extra."""
    return f"needs ingestd[{extra}]"


def missing_extra(reason: str) -> str:
    """The extra that a reason asks for; empty where it asks for none."""
    return next((extra for extra in EXTRAS if reason.startswith(needs(extra))), "")
