"""Finds keys and tokens in text, so that they stay out of the collection."""

VERSION = 1
"""Raise it with every change of what is found: documents are read anew then."""
