"""A run: its folder, its record, its end, and going on with it."""
