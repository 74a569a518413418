"""``python -m ingestd``: the command line."""

from __future__ import annotations

from ingestd.cli import main

if __name__ == "__main__":
    main()
