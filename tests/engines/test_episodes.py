import numpy as np

from vecac.engines.episodes import EpisodeTracker
from vecac.transition import Episode


def test_episodes_by_hand_over_two_rollouts():
    tracker = EpisodeTracker(2)
    reward = np.array([[1, 10], [2, 20], [0, 30]], np.float32)
    ended = np.array([[False, False], [True, False], [False, True]])
    valid = np.array([[True, True], [True, True], [False, True]])
    assert tracker.add(100, reward, ended, valid) == [Episode(104, 3.0, 2, 0), Episode(105, 60.0, 3, 1)]
    reward = np.array([[5, 0], [6, 7]], np.float32)
    ended = np.array([[False, False], [True, True]])
    valid = np.array([[True, False], [True, True]])
    assert tracker.add(105, reward, ended, valid) == [Episode(108, 11.0, 2, 0), Episode(108, 7.0, 1, 1)]


def test_long_returns_keep_double_precision():
    tracker = EpisodeTracker(1)
    reward, never, valid = (
        np.full((1000, 1), 0.1, np.float32),
        np.zeros((1000, 1), bool),
        np.ones((1000, 1), bool),
    )
    for _ in range(20):
        tracker.add(0, reward, never, valid)
    (episode,) = tracker.add(0, reward[:1], ~never[:1], valid[:1])
    assert abs(episode.episode_return - 20_001 * float(np.float32(0.1))) < 1e-6
