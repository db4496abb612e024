"""Which learning rate is best, and how sure is that? Ten seeds of each: python sweep.py.

It needs scipy and matplotlib: pip install -c constraints.txt -e '.[study]'
"""

from vecac.config import Config
from vecac.study import study


def main(total_timesteps=500_000, seeds=10):
    """Train by three learning rates with the same seeds, and rank them; returns what the study found."""
    config = Config(engine="fused", total_timesteps=total_timesteps, quiet=True)
    result = study(config, seeds=seeds, vary={"learning_rate": [2e-4, 1e-3, 5e-3]})
    print(result.table())  # the leading setting first
    leading = result.design.settings[result.summary["leading"] - 1]
    print(f"leading: {leading}; tables and figures are in {result.path}")
    return result


if __name__ == "__main__":  # its worker processes import this file, and must not begin studies of their own
    main()
