"""Models that were brought to this machine: taken in with care, kept, checked, removed."""
