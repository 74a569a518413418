"""The command line: ``ingestd``, or ``python -m ingestd``."""

from __future__ import annotations

from ingestd.memory import collector


def main() -> None:
    """Load the command line and run it."""
    collector.hurry()
    from ingestd.cli import main as run  # noqa: PLC0415 - loaded in a hurry

    run()


if __name__ == "__main__":
    main()
