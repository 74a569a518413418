"""Disk, state table and collection compared: reads only, and finds what differs."""
