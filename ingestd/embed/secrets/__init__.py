"""Finds keys and tokens in text, so that they stay out of the collection."""
