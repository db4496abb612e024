"""Episodes played by the kernel, against Gymnasium's environments with the same first states and actions.

Shapes: N environments.
"""

import fused_support
import numpy as np
import pytest
import torch
from fused_support import Replay, compiled_form
from support import SMALL

from vecac.engines.compiled_evaluation import play_episodes
from vecac.kernels.drivers.stepping import environment_dtype

ENVIRONMENTS = ("CartPole-v1", "MountainCar-v0", "Line-v0", "Push-v0", "Pick-v0")
LIMIT = 60


def make(env_id, env_steps=2000, **settings):
    engine = fused_support.make(env_id, LIMIT, learning_rate=0.01, **SMALL, **settings)
    while engine.env_steps < env_steps:  # until actions differ in their probability
        engine.iterate(1)
    return engine


def streams(count):
    return np.random.default_rng(5).integers(0, 2**64, count, np.uint64)


def play_in_gymnasium(engine, env_id, stream, sampled):
    """Return, length and whether it terminated, of one episode whose numbers come from the stream."""
    compiled = compiled_form(env_id)
    record = np.zeros(1, environment_dtype(compiled.state_size))
    record["stream"] = stream
    replay = Replay(engine, env_id, LIMIT, record)
    (env,) = replay.envs
    first = tuple(float(replay.uniform(0)) for _ in range(compiled.num_uniforms))
    env.unwrapped.state = np.array(compiled.reset(first))
    total, length, over = 0.0, 0, False
    while not over:
        with torch.no_grad():
            outputs, _ = engine.network(torch.from_numpy(replay.obs()[0]))
        _, reward, terminated, truncated, _ = env.step(replay.act(0, outputs, sampled)[1])
        total, length, over = total + float(reward), length + 1, terminated or truncated
    return total, length, terminated


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_returns_are_gymnasiums_from_the_same_first_states_and_actions(env_id, sampled):
    engine = make(env_id)
    stream_N = streams(7)  # more than lanes, and no multiple of them
    records, terminated_N = play_episodes(engine, stream_N, LIMIT, sampled=sampled)
    for record, terminated, stream in zip(records, terminated_N, stream_N, strict=True):
        total, length, has_terminated = play_in_gymnasium(engine, env_id, stream, sampled)
        assert (record["length"], terminated) == (length, has_terminated)
        rounding = 1e-4 if compiled_form(env_id).action.kind == "box" else 1e-12
        assert record["episode_return"] == pytest.approx(total, rel=rounding)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 40])
def test_an_episode_depends_on_its_stream_alone(count):
    engine = make("CartPole-v1")
    alone = [play_episodes(engine, streams(40)[i : i + 1], LIMIT, sampled=True)[0] for i in range(count)]
    together, _ = play_episodes(engine, streams(40)[:count], LIMIT, sampled=True)
    assert np.concatenate(alone).tobytes() == together.tobytes()


def test_an_episode_is_cut_at_the_most_steps_and_does_not_count_as_terminated():
    engine = make("CartPole-v1")
    records, terminated_N = play_episodes(engine, streams(40), 3, sampled=True)
    assert records["length"].tolist() == [3] * 40  # no pole falls so soon
    assert not terminated_N.any()


def test_playing_changes_nothing_of_the_training():
    played, other = make("CartPole-v1"), make("CartPole-v1")
    play_episodes(played, streams(9), LIMIT, sampled=True)
    for engine in (played, other):
        engine.iterate(5)
    for ours, theirs in zip(played.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
