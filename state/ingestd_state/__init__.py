"""The state table of ingestd: what is known of each document, chunk and vector.

This package is the only importer of SQLAlchemy and Alembic, and imports nothing of ingestd.
Modules of queries are named by their noun; every query function takes a connection.
"""
