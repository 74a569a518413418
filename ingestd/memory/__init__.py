"""How much memory the daemon and its children take, and what is done when it is too much."""
