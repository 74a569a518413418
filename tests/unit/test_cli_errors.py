"""Each failure is documented, and tells what to do next."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import ingestd
from ingestd.cli import application
from ingestd.errors import DocumentError, IngestdError

for found in pkgutil.walk_packages(ingestd.__path__, "ingestd."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)  # for the errors that it defines

DOCS = Path(__file__).resolve().parents[2] / "docs" / "exit-codes.md"
# Its message carries the reason; the state table, where it ends, is what `why` shows.
WITHOUT_HINT = {DocumentError}


def subclasses(error: type[IngestdError]) -> list[type[IngestdError]]:
    """An error and all that derive from it, as far as ingestd defines them."""
    found = [one for derived in error.__subclasses__() for one in subclasses(derived)]
    return [error, *found]


ERRORS = [error for error in subclasses(IngestdError) if error.__module__.startswith("ingestd")]


def rows() -> dict[str, tuple[int, str]]:
    """Code and name by error, of the table in the documentation."""
    pattern = re.compile(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \|", re.MULTILINE)
    found = pattern.findall(DOCS.read_text("utf-8"))
    return {error: (int(code), name) for code, name, error in found}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_its_row(error: type[IngestdError]) -> None:
    """The table of exit codes has the code and the name of each error."""
    assert rows()[error.__name__] == (error.exit_code, error.code)


def test_the_table_has_no_other_rows() -> None:
    """What is documented exists."""
    assert set(rows()) == {error.__name__ for error in ERRORS}


@pytest.mark.parametrize(
    "error", [one for one in ERRORS[1:] if one not in WITHOUT_HINT], ids=lambda e: e.__name__
)
def test_every_error_has_a_hint(error: type[IngestdError]) -> None:
    """Each error says what to do next."""
    assert error.hint.endswith((".", "lists them; `ingestd retry` tries again."))


def test_the_help_names_every_exit_code() -> None:
    """The help of the program lists each code."""
    text = str(application().info.epilog)
    assert {error.exit_code for error in ERRORS} <= {int(code) for code in re.findall(r"\d+", text)}
