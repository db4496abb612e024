import json

import pytest
import torch
from torch import nn, tensor

from vecac.actions import ActionForm
from vecac.algorithm.network import ACTIVATIONS, ActorCritic, NetworkSpec, initial_network, network_spec
from vecac.config import Config


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


def spec(**settings):
    return NetworkSpec(**{"obs_size": 4, "action": ActionForm("discrete", (3,))} | settings)


def shapes(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_a_spec_of_several_layers_a_critic_of_its_own_and_statistics():
    action = ActionForm("box", (2,))
    settings = {"hidden_sizes": (8, 6), "separate_critic": True, "norm_obs": True, "norm_reward": True}
    assert shapes(initial_network(spec(action=action, **settings), seed=1)) == {
        "head.log_std": (2,),
        **{"fc1.weight": (8, 4), "fc1.bias": (8,), "fc2.weight": (6, 8), "fc2.bias": (6,)},
        **{"critic1.weight": (8, 4), "critic1.bias": (8,), "critic2.weight": (6, 8), "critic2.bias": (6,)},
        **{"fc_pi.weight": (2, 6), "fc_pi.bias": (2,), "fc_v.weight": (1, 6), "fc_v.bias": (1,)},
        **{"obs_norm.mean": (4,), "obs_norm.var": (4,), "obs_norm.count": ()},
        **{"return_moments.mean": (), "return_moments.var": (), "return_moments.count": ()},
    }


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("separate_critic", [False, True])
@pytest.mark.parametrize("hidden_sizes", [(5,), (5, 7), (3, 3, 3)])
def test_it_is_its_layers_one_after_the_other(activation, separate_critic, hidden_sizes):
    chosen = {"activation": activation, "separate_critic": separate_critic, "hidden_sizes": hidden_sizes}
    network = initial_network(spec(**chosen), seed=1)
    between = {"relu": nn.ReLU(), "tanh": nn.Tanh(), "elu": nn.ELU(), "silu": nn.SiLU()}[activation]
    obs = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def through(name):
        hidden = obs
        for number in range(1, len(hidden_sizes) + 1):
            hidden = between(network.get_submodule(f"{name}{number}")(hidden))
        return hidden

    logits, value = network.fc_pi(through("fc")), network.fc_v(through("critic" if separate_critic else "fc"))
    ours = network(obs)
    assert torch.allclose(ours[0], logits, atol=1e-6)
    assert torch.allclose(ours[1], value[:, 0], atol=1e-6)
    assert torch.allclose(network.policy(obs), logits, atol=1e-6)
    gradients = [
        torch.autograd.grad(out.sum() + (v * v).sum(), list(network.parameters()))
        for out, v in (ours, (logits, value))
    ]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_orthogonal_initialisation_has_stable_baselines_gains():
    network = initial_network(spec(hidden_sizes=(64, 64), init="orthogonal", separate_critic=True), seed=1)
    for name, gain in (("fc1", 2**0.5), ("fc2", 2**0.5), ("critic2", 2**0.5), ("fc_pi", 0.01), ("fc_v", 1.0)):
        weight, bias = network.get_submodule(name).weight, network.get_submodule(name).bias
        rows = weight @ weight.t() if weight.shape[0] <= weight.shape[1] else weight.t() @ weight
        assert torch.allclose(rows, gain**2 * torch.eye(len(rows)), atol=1e-4), name
        assert not bias.any()


def test_a_spec_survives_a_checkpoint(tmp_path):
    given = spec(hidden_sizes=(8, 6), activation="elu", norm_obs=True, clip_obs=5.0, log_std_init=-1.0)
    torch.save(given.to_dict(), tmp_path / "spec.pt")
    loaded = torch.load(tmp_path / "spec.pt", weights_only=True)
    assert NetworkSpec.from_dict(loaded) == given
    assert NetworkSpec.from_dict(json.loads(json.dumps(given.to_dict()))) == given


def test_the_default_spec_is_the_notebooks_network():
    network = initial_network(network_spec(Config(), 4, ActionForm("discrete", (2,))), seed=5)
    torch.manual_seed(5)
    reference = ActorCritic(4, 2)
    for name, parameter in reference.state_dict().items():
        assert torch.equal(network.state_dict()[name], parameter)


def test_statistics_that_are_no_numbers_are_noticed():
    network = initial_network(spec(norm_reward=True), seed=1)
    assert network.is_finite()
    network.return_moments.var.fill_(torch.nan)
    assert not network.is_finite()
