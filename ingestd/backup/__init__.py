"""Backups: a consistent copy of an instance while it runs, and its way back to a machine."""
