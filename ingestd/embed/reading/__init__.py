"""Reading files in a process of their own: what a hostile file can cost is one attempt."""
