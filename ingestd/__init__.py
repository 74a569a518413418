"""ingestd: watches folders and keeps a Chroma collection of their text up to date."""

__version__ = "0.1.0"
