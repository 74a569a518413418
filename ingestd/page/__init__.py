"""The page of the daemon: what is indexed, what waits, what failed, and a search."""
