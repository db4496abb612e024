"""The terminal: flags and errors, signals, progress."""
