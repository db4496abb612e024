"""Whoever can collect a rollout and make an update, and what they share."""
