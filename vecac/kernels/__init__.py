"""Compiled numerics for the CPU: plain memory in, plain memory out; no torch, no files but numba's."""
