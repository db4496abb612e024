import pytest

from vecac.algorithm.schedule import rates_at
from vecac.config import Config


@pytest.mark.parametrize(
    ("settings", "start", "half", "end"),
    [
        ({}, (0.4, 0.2), (0.4, 0.2), (0.4, 0.2)),
        ({"anneal_lr": True}, (0.4, 0.2), (0.2, 0.2), (0.0, 0.2)),
        ({"lr_schedule": "linear"}, (0.4, 0.2), (0.2, 0.2), (0.0, 0.2)),
        ({"lr_schedule": "linear", "lr_final": 0.1}, (0.4, 0.2), (0.25, 0.2), (0.1, 0.2)),
        ({"ent_coef_schedule": "linear"}, (0.4, 0.2), (0.4, 0.1), (0.4, 0.0)),
        ({"ent_coef_schedule": "linear", "ent_coef_final": 1.0}, (0.4, 0.2), (0.4, 0.6), (0.4, 1.0)),
    ],
    ids=str,
)
def test_rates_at_the_start_half_way_and_at_the_end(settings, start, half, end):
    config = Config(learning_rate=0.4, ent_coef=0.2, total_timesteps=1000, **settings)
    for env_steps, expected in ((0, start), (500, half), (1000, end)):
        assert rates_at(config, env_steps) == pytest.approx(expected)


def test_a_schedule_that_ends_at_0_is_the_rate_times_what_is_left():
    config = Config(learning_rate=3e-4, anneal_lr=True, total_timesteps=7)
    assert [rates_at(config, n).learning_rate for n in range(7)] == [3e-4 * (1 - n / 7) for n in range(7)]
