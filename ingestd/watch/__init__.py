"""From disk to dirty paths: which paths are ours, what lies there, and what may have changed."""
