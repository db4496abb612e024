import pytest
import torch
from torch import nn, tensor

from vecac.algorithm.network import ActorCritic


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
    assert torch.equal(network.policy(tensor([[2.0], [-2.0]])), logits)


def test_first_weight_stays_column_major_through_training_and_loading():
    network = ActorCritic(4, 2)
    network.load_state_dict(ActorCritic(4, 2).state_dict())
    network(torch.zeros(3, 4))[1].sum().backward()
    assert network.fc1.weight.stride() == network.fc1.weight.grad.stride() == (1, 256)
