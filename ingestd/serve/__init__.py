"""What the daemon tells others, and what it does when they ask, over HTTP."""
