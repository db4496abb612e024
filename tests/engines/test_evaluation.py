from contextlib import closing

import numpy as np
import pytest
import torch

from vecac.algorithm.network import ActorCritic
from vecac.config import Config
from vecac.engines.evaluation import Evaluation, evaluate, make_evaluation_environments
from vecac.environments.vector import make_environments
from vecac.seeding import seed_sequences
from vecac.transition import Transition


def config(name="Counting", **settings):
    return Config(env_id=f"scripted_environments:{name}-v0", **settings)


def play(settings, episodes, **options):
    with closing(make_evaluation_environments(settings, episodes)) as environments:
        network = ActorCritic(environments.obs_size, environments.num_actions)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            network.fc_pi.bias[0] = 1.0
        return evaluate(
            network, environments, episodes, **({"sampled": False, "sequence": sequence()} | options)
        )


def sequence(seed=1):
    return seed_sequences(seed).evaluation


@pytest.mark.parametrize("mode", ["next-step", "same-step", "disabled"])
@pytest.mark.linux
def test_every_environment_plays_its_share_and_short_episodes_are_not_favoured(mode):
    """CountingEnv's episodes return 3, 36, 94, 63; two environments play 2 + 1 of them."""
    settings = config(autoreset_mode=mode, engine="async", start_method="fork", num_envs=2)
    result = play(settings, 3)
    assert sorted(result.returns) == [1 + 2, 1 + 2, 11 + 12 + 13]
    assert sorted(result.lengths) == [2, 2, 3]


class Metronomes:
    """Three environments whose episodes last 1, 2 and 3 steps, each with the reward 1 a step."""

    num_envs, obs_size, num_actions = 3, 2, 2
    max_episode_steps = None

    def reset(self, seeds=None):
        self.steps, self.actions = 0, []
        self.obs = np.zeros((3, 2), np.float32)
        return self.obs

    def step(self, action):
        self.steps += 1
        self.actions += action.tolist()
        ended = self.steps % np.array([1, 2, 3]) == 0
        never, ones = np.zeros(3, np.bool_), np.ones(3, np.float32)
        return Transition(self.obs, ones, ended, never, self.obs, ~never)


def test_odd_episodes_go_to_the_first_environments_one_each():
    result = evaluate(ActorCritic(2, 2), Metronomes(), 5, sampled=False, sequence=sequence())
    assert sorted(result.lengths) == [1, 1, 2, 2, 3]


def test_statistics_by_hand():
    result = Evaluation([1.0, 3.0], [4, 6])
    assert (result.mean, result.std, result.mean_length) == (2.0, 1.0, 5.0)


def test_greedy_takes_the_most_probable_and_sampled_draws():
    network, metronomes = ActorCritic(2, 2), Metronomes()
    with torch.no_grad():
        network.fc_pi.bias.copy_(torch.tensor([1.0, 0.0]))  # softmax([1, 0])[0] = 0.731 where all else is 0
        network.fc_pi.weight.zero_()
    evaluate(network, metronomes, 300, sampled=False, sequence=sequence())
    assert set(metronomes.actions) == {0}
    evaluate(network, metronomes, 300, sampled=True, sequence=sequence())
    assert len(metronomes.actions) == 900
    assert metronomes.actions.count(0) / 900 == pytest.approx(0.731, abs=0.05)  # more than 3 deviations


def test_evaluation_is_reproducible_and_depends_on_the_seed():
    first = play(config("Random", seed=3), 20, sampled=True, sequence=sequence(3))
    again = play(config("Random", seed=3), 20, sampled=True, sequence=sequence(3))
    other = play(config("Random", seed=4), 20, sampled=True, sequence=sequence(4))
    assert first == again
    assert first != other


def test_evaluation_never_shows_an_episode_that_training_saw():
    with closing(make_environments(config("Random", num_envs=16))) as environments:
        trained_on = {tuple(obs) for obs in environments.reset().tolist()}
    with closing(make_evaluation_environments(config("Random"), 16)) as environments:
        evaluate(ActorCritic(3, 3), environments, 1, sampled=False, sequence=sequence())
        evaluated_on = {tuple(obs) for obs in environments.reset().tolist()}
    assert len(trained_on) == len(evaluated_on) == 16
    assert not trained_on & evaluated_on


@pytest.mark.linux
def test_how_many_environments_at_a_time():
    for settings, episodes, expected in (
        (config(num_envs=1), 100, 16),
        (config(num_envs=100), 5, 5),
        (config(num_envs=3, engine="async", start_method="fork"), 2, 3),
    ):
        with closing(make_evaluation_environments(settings, episodes)) as environments:
            assert environments.num_envs == expected


def test_it_stops_when_asked_to():
    assert play(config(), 5, go_on=lambda episodes, steps: False) is None


@pytest.mark.linux
def test_it_tells_how_far_it_is():
    told = []
    play(config(num_envs=2), 3, go_on=lambda episodes, steps: told.append((episodes, steps)) or True)
    assert told == [(0, 0), (0, 3)]  # three environments, whose first episodes end at their second step
    told.clear()
    play(
        config(num_envs=2, engine="async", start_method="fork"),
        4,
        go_on=lambda *far: told.append(far) or True,
    )
    assert told == [(0, 0), (0, 2), (2, 4), (2, 6), (2, 8), (2, 10)]  # a dead row, then three more steps


def test_an_environment_without_a_time_limit_is_cut():
    result = play(config("Unlimited", eval_max_steps=7), 5)
    assert (list(result.lengths), result.cut) == ([7] * 5, 5)
    with closing(make_evaluation_environments(config("Unlimited"), 5)) as environments:
        assert environments.max_episode_steps == 10_000


@pytest.mark.parametrize(
    ("env_id", "asked", "limit"),
    [("CartPole-v1", 0, None), ("CartPole-v1", 499, 499), ("CartPole-v1", 501, None)],
)
def test_an_environments_own_time_limit_counts_unless_it_is_longer(env_id, asked, limit):
    settings = Config(env_id=env_id, eval_max_steps=asked, engine="vector")
    with closing(make_evaluation_environments(settings, 5)) as environments:
        assert environments.max_episode_steps == limit


@pytest.mark.parametrize("settings", [{}, {"max_episode_steps": 9}])
def test_single_environments_judge_a_compiled_one_whose_vector_form_cannot_be_had(settings):
    settings = Config(env_id="scripted_environments:OddForm-v0", engine="fused", **settings)
    with closing(make_evaluation_environments(settings, 5)) as environments:
        assert environments.num_envs == 5
        environments.reset()


@pytest.mark.linux
def test_a_vector_form_without_a_time_limit_is_cut_too():
    metronomes = Metronomes()
    metronomes.max_episode_steps = 2
    result = evaluate(ActorCritic(2, 2), metronomes, 6, sampled=False, sequence=sequence())
    assert sorted(result.lengths) == [1, 1, 1, 2, 2, 2]
    assert result.cut == 1  # which then goes on, and ends after one step more


def test_episodes_that_end_in_time_are_not_counted_as_cut():
    """CountingEnv's first episode terminates at its second step, the second is truncated at its third."""
    settings = config(eval_max_steps=3, engine="async", start_method="fork", num_envs=2)
    result = play(settings, 4)
    assert sorted(result.lengths) == [2, 2, 3, 3]
    assert result.cut == 2
