"""The band of a median, beside that of an interquartile mean in test_statistics.py."""

import numpy as np

from vecac.studies.statistics import bootstrap_band


def test_the_band_of_a_median():
    """Of 12 and 13 runs, whose middle is two of them and one."""
    generator = np.random.default_rng(0)
    for runs in (12, 13):
        curve = generator.exponential(size=(runs, 1)) * np.linspace(0.5, 2, 7)
        value, low, high = bootstrap_band(curve, median=True)
        resampled = np.median(curve[generator.integers(runs, size=(20_000, runs))], axis=1)
        assert np.array_equal(value, np.median(curve, axis=0))
        # the numbers that a resample's median can be are few, and far apart
        for bound, share in ((low, 0.025), (high, 0.975)):
            nearby = np.quantile(resampled, [share - 0.01, share + 0.01], axis=0)
            assert (nearby[0] <= bound).all() and (bound <= nearby[1]).all()
    assert (bootstrap_band(np.full((4, 2), -np.inf), median=True)[0] == -np.inf).all()
