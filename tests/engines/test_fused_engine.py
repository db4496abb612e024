"""The fused engine, against Gymnasium's environments and torch's gradient, transition by transition.

Shapes: T rollout steps, N environments, B valid transitions.
"""

import pytest
import torch
from fused_support import make
from kernel_support import state_of

from vecac.engines import compiled_memory, fused_engine
from vecac.runs.progress import EpisodeStatistics


def everything(engine):
    memory = engine.memory
    arrays = [memory.environments, memory.window, memory.progress, memory.model.mean_M, memory.model.square_M]
    return [state_of(engine.network).numpy().tobytes(), *(array.tobytes() for array in arrays)]


@pytest.mark.parametrize("num_envs", [16, 200, 5000])
def test_the_number_of_threads_changes_no_bit(num_envs):
    results = []
    for num_threads in (1, 2, 3):
        engine = make(num_envs=num_envs, num_threads=num_threads, learning_rate=1e-3)
        episodes = []
        for _ in range(3):
            episodes += engine.iterate(2).episodes
        engine.memory.progress["finished"] = 0  # a mark of the last call, not of the run
        results.append((everything(engine), episodes))
        engine.close()
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("calls", [[1] * 100, [99, 1], [7] * 14 + [2]])
def test_splitting_the_calls_changes_no_bit(calls, monkeypatch):
    monkeypatch.setattr(fused_engine, "CALL_SECONDS", 1e9)
    whole, split = make(num_envs=6), make(num_envs=6)
    expected = list(whole.iterate(100).episodes)
    episodes = [episode for count in calls for episode in split.iterate(count).episodes]
    for engine in (whole, split):
        engine.memory.progress["finished"] = 0
    assert everything(split) == everything(whole)
    assert episodes == expected
    assert split.updates == 100


def test_the_seed_decides_everything():
    first, same, other = (make(seed=seed) for seed in (5, 5, 6))
    for engine in (first, same, other):
        engine.iterate(20)
    assert everything(first) == everything(same)
    assert not torch.equal(state_of(first.network), state_of(other.network))
    streams = {int(number) for engine in (first, other) for number in engine.memory.environments["stream"]}
    assert len(streams) == 32


def test_it_stops_at_the_first_update_whose_mean_of_100_episodes_reaches_the_goal():
    watched, statistics = make(learning_rate=1e-3), EpisodeStatistics()
    while not statistics.reaches(60.0):  # judged update by update
        statistics.add(watched.iterate(1).episodes)
    engine = make(learning_rate=1e-3)
    seen = EpisodeStatistics()
    while not seen.reaches(60.0):
        seen.add(engine.iterate(10_000, goal=60.0).episodes)
    assert engine.updates == watched.updates
    assert torch.equal(state_of(engine.network), state_of(watched.network))


def test_it_does_not_stop_before_there_are_100_episodes():
    engine = make("MountainCar-v0", time_limit=5, num_envs=3, n_rollout=5, hidden_size=16)
    engine.iterate(1000, goal=-5.0)  # which is every return; what the window holds at first is more
    assert engine.updates == 34


def test_episodes_are_not_lost_where_there_is_little_room_for_them(monkeypatch):
    expected = list(make(num_envs=8).iterate(50).episodes)
    monkeypatch.setattr(compiled_memory, "FINISHED", 0)
    engine = make(num_envs=8)
    episodes = []
    while engine.updates < 50:
        episodes += engine.iterate(50 - engine.updates).episodes
    assert episodes == expected
    assert len(episodes) > 80


def test_a_call_is_short(monkeypatch):
    monkeypatch.setattr(fused_engine, "CALL_SECONDS", 0.0)
    engine = make()
    engine.iterate(10**9)  # one call of the kernel
    assert 1 <= engine.updates <= engine._iterations_a_call < 10**4


def test_it_learns_and_without_a_step_size_does_not():
    engine, control = make(learning_rate=1e-3), make(learning_rate=1e-12)
    means = []
    for each in (engine, control):
        statistics = EpisodeStatistics()
        while each.env_steps < 100_000:
            statistics.add(each.iterate(1000).episodes)
        means.append(statistics.mean_return)
    assert means[0] > 150
    assert means[1] < 30
