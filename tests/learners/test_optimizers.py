import pytest
import torch

from vecac.algorithm.network import ActorCritic
from vecac.config import Config
from vecac.learners.optimizers import MOMENTS, learning_rate_of, make_optimizer, require_moments


def stepped(**settings):
    """A network and its optimiser after one step along a gradient of ones."""
    network = ActorCritic(2, 2, 3)
    optimizer = make_optimizer(Config(learning_rate=0.1, **settings), network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = network.fc_v.bias.item()
    optimizer.step()
    return network, optimizer, before - network.fc_v.bias.item()


@pytest.mark.parametrize(
    ("settings", "moved"),
    [
        # Adam's first step is lr * g / (|g| + eps); RMSprop's lr * g / (sqrt(0.01 * g^2) + eps).
        ({}, 0.1 / (1 + 1e-8)),
        ({"optimizer_eps": 1.0}, 0.1 / (1 + 1.0)),
        ({"optimizer": "rmsprop"}, 0.1 / (0.1 + 1e-5)),
        ({"optimizer": "rmsprop", "optimizer_eps": 0.1}, 0.1 / (0.1 + 0.1)),
    ],
    ids=str,
)
def test_the_first_step_by_hand(settings, moved):
    assert stepped(**settings)[2] == pytest.approx(moved, rel=1e-6)


@pytest.mark.parametrize("optimizer", MOMENTS)
def test_its_own_state_is_taken_and_others_are_not(optimizer):
    network, own, _ = stepped(optimizer=optimizer)
    state = own.state_dict()
    assert require_moments(optimizer, network, state) is None, "it was refused"
    assert learning_rate_of(state) == 0.1
    (other,) = MOMENTS.keys() - {optimizer}
    if len(MOMENTS[other]) > len(MOMENTS[optimizer]) or not set(MOMENTS[other]) <= set(MOMENTS[optimizer]):
        with pytest.raises((ValueError, LookupError)):
            require_moments(other, network, state)
    with pytest.raises((ValueError, LookupError)):
        require_moments(optimizer, ActorCritic(2, 2, 4), state)


def test_a_state_from_before_the_first_step_fits_every_network():
    state = make_optimizer(Config(), ActorCritic(2, 2, 3)).state_dict()
    assert require_moments("adam", ActorCritic(5, 2, 4), state) is None, "it was refused"
