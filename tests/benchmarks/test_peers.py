"""The peers do the same work and count the same env steps; what is not installed is a row, not a crash."""

import json
from contextlib import closing

import peer_process
import peers
import pytest
import time_to_solve
import torch
import windows
from peers import FAILED, FUSED, NOT_INSTALLED, PEERS, Options, Row, describe_row, make_rows

from vecac.algorithm.network import ActorCritic
from vecac.algorithm.td import td_loss, td_targets
from vecac.config import Config

RECORD_KEYS = {"benchmark", "hardware", "versions", "git_commit", "command_line", "settings", "notes", "rows"}


@pytest.fixture
def peer_jax():
    for module in PEERS["jax"].modules:
        pytest.importorskip(module, reason="the peers are not installed: pip install -e '.[peers]'")
    import peer_jax

    return peer_jax


@pytest.fixture
def without_jax(monkeypatch):
    """jax as on a machine that does not have it."""
    peer = PEERS["jax"]
    missing = peers.Peer(peer.label, peer.what, ("no_such_module",), peer.num_envs, peer.threads)
    monkeypatch.setitem(PEERS, "jax", missing)


def fused_row(windows, num_threads=1):
    return Row(FUSED, "training", 16, num_threads, windows=windows)


def peer_row(windows, **fields):
    return Row("sb3", "training", 16, 1, windows=windows, **fields)


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """10/10, 40/8 and 30/6 have the median 5, the medians themselves 30/8; on two threads 2, 1 and 4."""
    peer = peer_row([10.0, 8.0, 6.0])
    rows = [fused_row([10.0, 40.0, 30.0]), fused_row([20.0, 8.0, 24.0], 2), peer]
    described = describe_row(peer, rows)
    assert described["ratio_fused_to_it"] == {
        "1": {"median": 5, "min": 1, "max": 5},
        "2": {"median": 2, "min": 1, "max": 4},
    }
    assert (described["median"], described["min"], described["max"]) == (8, 6, 10)
    assert describe_row(rows[0], rows)["ratio_fused_to_it"] == {}


def test_only_the_same_number_of_environments_is_compared():
    other = Row(FUSED, "training", 256, 1, windows=[90.0])
    assert describe_row(peer_row([10.0]), [other])["ratio_fused_to_it"] == {}


def test_a_window_that_failed_takes_no_part():
    peer = peer_row([10.0, None], status=FAILED)
    described = describe_row(peer, [fused_row([20.0, 90.0]), peer])
    assert described["median"] == 10 and described["ratio_fused_to_it"]["1"]["median"] == 2
    nothing = peer_row([None, None], status=FAILED)
    described = describe_row(nothing, [fused_row([20.0, 90.0]), nothing])
    assert "median" not in described and described["ratio_fused_to_it"] == {"1": None}


def test_vecac_stands_before_the_peers_of_each_size():
    rows = make_rows(Options(peers=("sb3", "gymnasium-sync")), cores=2)
    order = [(row.contestant, row.num_envs, row.num_threads) for row in rows]
    both = ["fused", "fused", "sb3", "sb3", "gymnasium-sync"]
    assert [name for name, num_envs, _ in order if num_envs in (16, 256)] == both * 2
    assert [name for name, num_envs, _ in order if num_envs == 1] == ["fused", "fused", "sb3", "sb3"]
    assert order[:4] == [(name, 1, threads) for name in ("fused", "sb3") for threads in (1, 2)]
    assert len({row.name for row in rows}) == len(rows)
    assert [row.num_threads for row in make_rows(Options(num_envs=(3,)), 1)] == [1] * 7
    assert peer_process.MAKE.keys() == {FUSED, *PEERS}


def test_a_row_says_what_it_got():
    """Whoever can use a second core is timed with it."""
    names = [row.name for row in make_rows(Options(num_envs=(16,)), cores=2)]
    assert names[2:4] == [
        f"Stable-Baselines3 A2C 16, training, {count}" for count in ("1 thread", "2 threads")
    ]
    assert [name.rpartition(", ")[2] for name in names[4:]] == ["2 threads"] * 2 + ["1 thread"] * 2 + [
        "2 threads"
    ]


def test_rounds_take_turns_and_what_failed_is_not_tried_again(monkeypatch):
    calls = []

    def measure_row(row, seconds):
        calls.append(row.contestant)
        return None if row.contestant == "sb3" else 5.0

    monkeypatch.setattr(peers, "measure_row", measure_row)
    rows = [fused_row([]), peer_row([]), Row("jax", "training", 16, 1, NOT_INSTALLED)]
    peers.measure_rounds(rows, rounds=3, seconds=1.0)
    assert calls == ["fused", "sb3", "fused", "fused"]
    assert [row.status for row in rows] == ["measured", FAILED, NOT_INSTALLED]
    assert [row.windows for row in rows] == [[5.0] * 3, [None] * 3, [None] * 3]


def test_a_process_that_fails_shows_its_error(capsys):
    assert peers.measure_row(Row("sb3", "training", -1, 1), 0.01) is None
    err = capsys.readouterr().err
    assert err.startswith("Stable-Baselines3 A2C -1, training, 1 thread: Traceback") and "Error" in err


def test_what_is_not_installed_is_a_row(without_jax, tmp_path, capsys):
    flags = ["--peers", "jax", "gymnasium-vector", "--num-envs", "2", "--seconds", "0.05", "--rounds", "1"]
    path = tmp_path / "record.json"
    assert peers.main([*flags, "--json", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "{" in line]
    record = json.loads(path.read_text())
    assert record.keys() >= RECORD_KEYS
    assert record["versions"].keys() >= {"torch", "gymnasium", "numba"}
    *fused, jax, vector = record["rows"]
    assert {row["contestant"] for row in fused} == {FUSED} and fused[0]["median"] > 0
    assert (jax["status"], jax["windows"], "median" in jax) == (NOT_INSTALLED, [None], False)
    assert vector["ratio_fused_to_it"]["1"]["median"] == fused[0]["median"] / vector["median"]
    assert f"{jax['name']}: {NOT_INSTALLED}" in lines
    (line,) = [line for line in lines if line.startswith("Gymnasium CartPoleVectorEnv 2, ")]
    assert f"{vector['median']:,.0f}" in line


@pytest.mark.parametrize(
    "flags", [["--seconds", "0"], ["--rounds", "0"], ["--num-envs", "0"], ["--peers"]], ids=" ".join
)
def test_a_bad_flag_is_one_line(flags, capsys):
    assert peers.main(flags) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {flags[0]} must") and err.count("\n") == 1


def test_a_window_lasts_as_long_as_asked():
    class Clockwork:
        calls = 0

        def advance(self):
            self.calls += 1
            return 10

    contestant = Clockwork()
    rate = windows.measure(contestant, 0.05)
    assert 0 < rate <= contestant.calls * 10 / 0.05


def to_torch(array):
    return torch.tensor(array.__array__())


def test_the_jax_peer_s_loss_has_vecac_s_gradient_in_every_row(peer_jax):
    """Of heads so far from their targets that smooth_l1 is linear in some rows and quadratic in others."""
    generator = torch.Generator().manual_seed(1)
    heads, target = torch.randn(3, 8, generator=generator), 2 * torch.randn(8, generator=generator)
    action = torch.tensor([0, 1] * 4)
    assert 0 < ((target - heads[2]).abs() > 1).sum() < 8
    logits, value = heads[:2].T.clone().requires_grad_(), heads[2].clone().requires_grad_()
    (8 * td_loss(logits, value, action, target).total).backward()
    gradient = to_torch(peer_jax.heads_gradient(heads.numpy(), action.numpy(), target.numpy()))
    assert torch.allclose(gradient[:2].T, logits.grad, atol=1e-6)
    assert torch.allclose(gradient[2], value.grad, atol=1e-6)


def test_the_jax_peer_s_rollout_has_vecac_s_gradient(peer_jax):
    """A rollout in which one pole falls, one meets the time limit and two go on."""
    import jax

    training = peer_jax.init_training(seed=1, num_envs=4)
    state = training.environments.state
    state = state.replace(time=state.time.at[1].set(494), theta=state.theta.at[2].set(0.2))
    state = state.replace(theta_dot=state.theta_dot.at[2].set(1.0))
    obs = jax.numpy.stack([state.x, state.x_dot, state.theta, state.theta_dot])
    environments = peer_jax.Environments(state, obs)
    randoms = peer_jax.draw_randoms(training.keys[0], 4)
    parameters = training.parameters
    _, gradient, rollout = jax.jit(peer_jax.collect_gradient)(parameters, environments, randoms)
    terminated, truncated = to_torch(rollout.terminated_N), to_torch(rollout.truncated_N)
    assert terminated.any(dim=0).tolist() == [False, False, True, False]
    assert truncated.nonzero().tolist() == [[5, 1]]

    network = ActorCritic(4, 2)
    hidden, hidden_bias, heads, heads_bias = map(to_torch, parameters)
    with torch.no_grad():
        for parameter, values in (
            (network.fc1.weight, hidden),
            (network.fc1.bias, hidden_bias),
            (network.fc_pi.weight, heads[:2]),
            (network.fc_pi.bias, heads_bias[:2]),
            (network.fc_v.weight, heads[2:]),
            (network.fc_v.bias, heads_bias[2:]),
        ):
            parameter.copy_(values)
    rows = [to_torch(obs_TDN).transpose(1, 2) for obs_TDN in (rollout.obs_DN, rollout.next_obs_DN)]
    logits, value = network(rows[0].reshape(-1, 4))
    next_value = network(rows[1].reshape(-1, 4))[1].detach()
    target = td_targets(torch.full((40,), 0.01), terminated.flatten(), next_value, 0.98)
    td_loss(logits, value, to_torch(rollout.action_N).long().flatten(), target).total.backward()
    expected = (
        network.fc1.weight.grad,
        network.fc1.bias.grad,
        torch.cat((network.fc_pi.weight.grad, network.fc_v.weight.grad)),
        torch.cat((network.fc_pi.bias.grad, network.fc_v.bias.grad)),
    )
    for ours, theirs in zip(expected, map(to_torch, gradient), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6 * ours.abs().max().item())


def test_jax_grad_has_the_gradient_of_the_one_pass(peer_jax):
    """Which is vecac's, by the test above; the rollouts are the same, random numbers and all."""
    import jax
    import peer_jax_plain

    training = peer_jax.init_training(seed=1, num_envs=40)
    randoms = peer_jax.draw_randoms(training.keys[0], 40)
    arguments = training.parameters, training.environments, randoms
    _, expected, rollout = jax.jit(peer_jax.collect_gradient)(*arguments)
    _, transitions = jax.jit(peer_jax_plain.collect)(*arguments)
    assert (transitions.obs_DN == rollout.obs_DN).all()
    assert transitions.terminated_N.any()
    gradient = jax.grad(peer_jax_plain.loss)(training.parameters, transitions)
    for actual, wanted in zip(gradient, expected, strict=True):
        assert float(abs(actual - wanted).max()) <= 1e-5 * float(abs(wanted).max())


def test_the_jax_peer_learns(peer_jax):
    training = peer_jax.JaxTraining(16)
    lengths = []
    for _ in range(5):
        env_steps = training.advance()
        lengths.append(env_steps / training.episodes_in_call)
    assert lengths[-1] > 2 * lengths[0]


def test_sb3_has_vecac_s_network_and_rollout():
    pytest.importorskip("stable_baselines3", reason="the peers are not installed")
    from peer_sb3 import Sb3Training, make_a2c

    policy = make_a2c(2).policy
    shapes = sorted(tuple(parameter.shape) for parameter in policy.parameters())
    assert shapes == sorted(tuple(parameter.shape) for parameter in ActorCritic(4, 2).parameters())
    assert type(policy.optimizer) is torch.optim.Adam
    assert policy.optimizer.param_groups[0]["lr"] == Config.learning_rate
    training = Sb3Training(2, 1)
    assert [training.advance() for _ in range(2)] == [10 * 10 * 2] * 2
    assert training._a2c._n_updates == 20


def test_envpool_counts_cartpole_s_transitions():
    pytest.importorskip("envpool", reason="the peers are not installed")
    from peer_envpool import envpool_alone

    rewards = []  # CartPole pays 1 for every transition, and a dead row pays nothing
    alone = envpool_alone(3, 1)
    step = alone.envs.step

    def recorded_step(action):
        outcome = step(action)
        rewards.append(outcome[1].sum())
        return outcome

    with closing(alone.envs):
        alone.envs.step = recorded_step
        env_steps = sum(alone.advance() for _ in range(20))
    assert env_steps == sum(rewards) < 600


def test_time_to_solve_refuses_a_trainer_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setattr(time_to_solve, "find_spec", lambda name: None)
    assert time_to_solve.main(["--trainer", "sb3-ppo"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --trainer sb3-ppo is not installed: pip install")


def test_time_to_solve_runs_stable_baselines3(tmp_path):
    pytest.importorskip("stable_baselines3", reason="needs the peers extra")
    path = tmp_path / "record.json"
    flags = ["--trainer", "sb3-ppo", "--seeds", "1", "--max-steps", "600", "--json", str(path)]
    assert time_to_solve.main(flags) == 0
    record = json.loads(path.read_text())
    (row,) = record["rows"]
    assert (row["name"], row["solved"], row["runs"][0]["env_steps"]) == ("sb3-ppo", 0, 768)  # 3 x 8 x 32
