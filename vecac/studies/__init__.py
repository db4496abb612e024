"""A study: many runs of varied settings and seeds."""
