"""Compiled environments, a file each."""
