"""What a run has come to, and what follows from it."""

import math

import pytest

from vecac.runs.progress import EpisodeStatistics, Progress
from vecac.transition import Episode


def statistics_of(returns):
    statistics = EpisodeStatistics()
    for number in returns:
        statistics.add([Episode(0, number, 2 * int(number), 0)])
    return statistics


def test_without_an_episode_every_mean_is_undefined():
    statistics = EpisodeStatistics()
    assert math.isnan(statistics.mean_return)
    assert math.isnan(statistics.row()["rollout/ep_len_mean"])
    assert statistics.last_100_return_mean is None
    assert statistics.row()["rollout/episodes"] == 0
    assert not statistics.reaches(-math.inf)


def test_99_episodes_have_a_mean_but_not_that_of_100():
    statistics = statistics_of(range(99))  # 0 + ... + 98 = 99 * 49
    assert statistics.mean_return == 49
    assert statistics.row()["rollout/ep_len_mean"] == 98
    assert statistics.last_100_return_mean is None
    assert not statistics.reaches(0)


def test_exactly_the_last_100_episodes_count():
    assert statistics_of(range(100)).last_100_return_mean == 49.5
    # 1000 is forgotten as soon as 100 others have followed it, and not before.
    assert statistics_of([1000, *range(99)]).last_100_return_mean == 10 + 48.51
    statistics = statistics_of([1000, *range(100)])
    assert statistics.last_100_return_mean == 49.5
    assert statistics.row() == {
        "rollout/ep_rew_mean": 49.5,
        "rollout/ep_len_mean": 99.0,
        "rollout/episodes": 101,
    }


def test_a_threshold_is_reached_at_equality():
    statistics = statistics_of(range(100))
    assert statistics.reaches(49.5)
    assert not statistics.reaches(math.nextafter(49.5, 50))
    assert not statistics.reaches(None)


@pytest.mark.parametrize("count", [3, 100, 250])
def test_statistics_go_on_from_a_state(count):
    state = statistics_of(range(count)).state_dict()
    resumed = EpisodeStatistics()
    resumed.load_state_dict(state)
    never_cut = statistics_of([*range(count), 1000])
    resumed.add([Episode(0, 1000, 2000, 0)])
    assert resumed.row() == never_cut.row()
    assert resumed.last_100_return_mean == never_cut.last_100_return_mean
    assert state["episodes"] == count
    assert state["returns"] == list(range(count))[-100:]  # a copy, which what follows leaves alone


@pytest.mark.parametrize(
    "changes",
    [{"episodes": -1}, {"episodes": 1.0}, {"returns": ["1"]}, {"returns": None}, {"lengths": [1.5]}],
)
def test_statistics_take_no_state_that_is_none(changes):
    with pytest.raises((ValueError, TypeError)):
        EpisodeStatistics().load_state_dict(statistics_of(range(3)).state_dict() | changes)


def progress_of(total=1000, target=None, threshold=475.0, log_every=100, rollout_rows=10):
    return Progress(total, target, threshold, log_every, rollout_rows)


def episodes(*returns):
    return [Episode(0, number, 1, 0) for number in returns]


def test_solved_is_when_the_threshold_was_first_reached():
    progress = progress_of()
    progress.add(episodes(*[475.0] * 99), 100, 1.0)
    assert progress.solved == (None, None)
    assert progress.goal() == 475.0
    progress.add(episodes(475.0), 200, 2.0)
    progress.add(episodes(500.0), 300, 3.0)
    assert progress.solved == (200, 2.0)
    assert progress.goal() is None


def test_the_nearer_goal_comes_first():
    assert progress_of(target=100.0).goal() == 100.0
    assert progress_of(target=490.0).goal() == 475.0
    assert progress_of(threshold=-100.0, target=-90.0).goal() == -100.0


def test_why_a_run_is_over():
    progress = progress_of(target=5.0)
    assert [progress.stop_reason(env_steps) for env_steps in (0, 999, 1000)] == [None, None, "finished"]
    progress.add(episodes(*[5.0] * 100), 500, 1.0)
    assert progress.stop_reason(0) == progress.stop_reason(1000) == "target_reached"


@pytest.mark.parametrize("state", [(5, None), (None, 1.0), (1.5, 1.0), (-1, 1.0), (5, "now")])
def test_solved_takes_no_state_that_is_none(state):
    with pytest.raises(ValueError):
        progress_of().load_state_dict(state)


def test_rows_stand_on_a_grid():
    progress = progress_of()
    assert [progress.next_row_at(at) for at in (0, 99, 100, 101)] == [100, 100, 200, 200]
    assert [progress.updates_until_row(at, 0) for at in (0, 81, 95)] == [10, 1, 1]
    assert progress.updates_until_row(960, 900) == 4
