"""markitdown, as its documentation shows; runs in an environment of its own."""

# Checked where markitdown is not installed, hence without its types.
# mypy: disable-error-code="import-not-found"
from __future__ import annotations

from typing import TYPE_CHECKING

from markitdown import MarkItDown

from benchmarks.rivals.reading import act

if TYPE_CHECKING:
    from pathlib import Path


def main() -> None:
    """Answer standard input."""
    converter = MarkItDown(enable_plugins=False)

    def read(file: Path) -> str:
        text: str = converter.convert(str(file)).text_content
        return text

    act(read)


if __name__ == "__main__":
    main()
