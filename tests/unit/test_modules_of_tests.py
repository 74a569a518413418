"""The modules that tests import by their bare names: one import path holds them all."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_modules_of_the_tests_have_one_name() -> None:
    """Of two with one name, whichever is collected first is what the other's tests import."""
    names = Counter(path.stem for path in TESTS.rglob("*.py") if path.name != "conftest.py")
    assert {name for name, count in names.items() if count > 1} == set()
