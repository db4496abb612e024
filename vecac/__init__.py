"""vecac: a vectorized, high-throughput TD actor-critic trainer."""

__version__ = "0.1.0"
