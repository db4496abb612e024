"""Compiling, caching, threads and memory: what numba needs to be told."""
