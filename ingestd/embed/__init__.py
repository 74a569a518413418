"""Dirty documents to embeddings in the collection."""
