import math

import pytest
import torch
from torch import nn, tensor

from vecac.algorithm.network import ActorCritic, greedy_action, gumbel_noise, sample_action


def test_parameters_are_named_and_shaped_like_nn_linear():
    shapes = {name: tuple(p.shape) for name, p in ActorCritic(4, 2).state_dict().items()}
    assert shapes == {
        "fc1.weight": (256, 4),
        "fc1.bias": (256,),
        "fc_pi.weight": (2, 256),
        "fc_pi.bias": (2,),
        "fc_v.weight": (1, 256),
        "fc_v.bias": (1,),
    }


def test_initialisation_is_nn_linears():
    torch.manual_seed(3)
    network = ActorCritic(5, 3, hidden_size=8)
    torch.manual_seed(3)
    for name, layer in (("fc1", nn.Linear(5, 8)), ("fc_pi", nn.Linear(8, 3)), ("fc_v", nn.Linear(8, 1))):
        assert torch.equal(getattr(network, name).weight, layer.weight)
        assert torch.equal(getattr(network, name).bias, layer.bias)


@pytest.mark.parametrize("batch", [(), (7,), (3, 7)])
def test_forward_keeps_the_batch_shape(batch):
    logits, value = ActorCritic(4, 3, 16)(torch.zeros(*batch, 4))
    assert logits.shape == (*batch, 3)
    assert value.shape == batch


def test_forward_by_hand():
    network = ActorCritic(1, 2, 2)
    network.load_state_dict(
        {
            "fc1.weight": tensor([[1.0], [-1.0]]),
            "fc1.bias": tensor([0.0, 0.5]),
            "fc_pi.weight": tensor([[1.0, 2.0], [3.0, 4.0]]),
            "fc_pi.bias": tensor([0.0, 1.0]),
            "fc_v.weight": tensor([[5.0, 6.0]]),
            "fc_v.bias": tensor([7.0]),
        }
    )
    logits, value = network(tensor([[2.0], [-2.0]]))  # hidden: [2, 0] and [0, 2.5]
    assert logits.tolist() == [[2.0, 7.0], [5.0, 11.0]]
    assert value.tolist() == [17.0, 22.0]
    assert torch.equal(network.logits(tensor([[2.0], [-2.0]])), logits)


def test_first_weight_stays_column_major_through_training_and_loading():
    network = ActorCritic(4, 2)
    network.load_state_dict(ActorCritic(4, 2).state_dict())
    network(torch.zeros(3, 4))[1].sum().backward()
    assert network.fc1.weight.stride() == network.fc1.weight.grad.stride() == (1, 256)


def test_sampling_frequencies():
    probability = tensor([0.1, 0.6, 0.3])
    noise = gumbel_noise((100_000, 3), torch.Generator().manual_seed(0))
    counts = sample_action(probability.log().expand(100_000, 3), noise).bincount(minlength=3)
    assert torch.allclose(counts / 100_000, probability, atol=0.006)  # 3.9 standard deviations


def test_noise_has_gumbels_mean_and_variance_and_follows_its_generator():
    noise = gumbel_noise((1_000_000,), torch.Generator().manual_seed(0))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.005)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.02)
    assert torch.equal(noise, gumbel_noise((1_000_000,), torch.Generator().manual_seed(0)))
    assert not torch.equal(noise[:9], gumbel_noise((9,), torch.Generator().manual_seed(1)))


def test_noise_decides_between_actions():
    logits = tensor([[1.0, 3.0], [1.0, 3.0]])
    assert sample_action(logits, tensor([[2.5, 0.0], [1.5, 0.0]])).tolist() == [0, 1]


def test_greedy_takes_the_most_probable():
    assert greedy_action(tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]])).tolist() == [1, 0]
