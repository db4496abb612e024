"""Training on a second device that is none: nothing changes on its way there, and nothing is waited for."""

import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
import scripted_environments  # noqa: F401  (registers environments)
import torch
from second_device import META, Meta, Stream, storage
from support import bits, saved

from vecac.algorithm.network import Network
from vecac.algorithm.rollout import Rollout
from vecac.config import Config
from vecac.engines.divergence import divergence
from vecac.engines.evaluation import evaluate
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.vector import make_environments
from vecac.learners.rollout_loss import RolloutLoss
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences
from vecac.train import train

SCRIPTED = "scripted_environments:"
ENGINES = [
    *({"env_id": SCRIPTED + "Random-v0", "autoreset_mode": mode} for mode in ("next-step", "same-step")),
    {"env_id": SCRIPTED + "Random-v0", "autoreset_mode": "disabled"},
    {"engine": "vector"},
    {"engine": "vector", "env_id": SCRIPTED + "VectorSameStep-v0", "autoreset_mode": "same-step"},
    {"engine": "vector", "env_id": SCRIPTED + "VectorDisabled-v0", "autoreset_mode": "disabled"},
]
CASES = [
    settings | {"n_rollout": num_steps, "td_lambda": td_lambda}
    for settings in ENGINES
    for num_steps in (1, 6)
    for td_lambda in (0.0, 0.7)
]
CASES += [
    {"engine": "async", "env_id": SCRIPTED + "Random-v0", "autoreset_mode": mode}
    | {"num_envs": 2, "n_rollout": 6, "td_lambda": 0.7}
    for mode in ("next-step", "same-step", "disabled")
]


def case_of(case):
    """With its name; slow, where its rollouts and its lambda are tried in another case as well."""
    is_slow = (case["n_rollout"] == 1) != (case["td_lambda"] == 0.0)
    name = "-".join(map(str, case.values()))
    return pytest.param(case, id=name, marks=pytest.mark.slow if is_slow else ())


each_case = pytest.mark.parametrize("case", map(case_of, CASES))
UPDATES = 50


@contextmanager
def training(case, device="cpu"):
    """An engine in its first episodes, which learns on the device."""
    config = Config(
        **{"num_envs": 3, "hidden_size": 16, "ent_coef": 0.1, "max_grad_norm": 1.0, "learning_rate": 0.01}
        | case
    )
    environments = make_environments(config)
    sizes = environments.obs_size, environments.action
    try:
        learner = TorchLearner(config, *sizes, torch.device(device), seed_sequences(config.seed))
        engine = GymnasiumEngine(config, environments, learner)
        engine.reset()
        yield engine
    finally:
        environments.close()


def after_updates(engine, updates=UPDATES):
    """The episodes of so many updates, and the state that they lead to, bit by bit."""
    episodes = []
    while engine.updates < updates:
        episodes += engine.iterate(1).episodes
    return episodes, bits(engine.state_dict())


@contextmanager
def host_apart(case, monkeypatch, rollout=Rollout, **options):
    """An engine whose host side is kept apart; only in here."""
    with monkeypatch.context() as patched:
        patched.setattr("vecac.engines.collector.Rollout", partial(rollout, staged=True))
        with training(case) as engine:
            host = {
                storage(tensor)
                for tensor in vars(engine._collector.rollout._host).values()
                if tensor is not None
            }
            with Stream(lambda tensor: storage(tensor) in host, **options) as stream:
                patched.setattr(torch.Tensor, "cpu", lambda tensor: stream.wait() or tensor.clone())
                yield engine
            assert stream.waits >= UPDATES


def staged(case, monkeypatch, rollout=Rollout):
    """What such an engine comes to, while host memory is overwritten as early as that is allowed."""
    with host_apart(case, monkeypatch, rollout) as engine:
        return after_updates(engine)


def unstaged(case):
    with training(case) as engine:
        return after_updates(engine)


@each_case
def test_a_host_side_kept_apart_changes_no_bit(case, monkeypatch):
    expected = unstaged(case)
    assert expected[0]
    assert staged(case, monkeypatch) == expected


@pytest.mark.parametrize("case", [CASES[2], CASES[7]], ids=["next-step", "same-step"])
def test_nor_does_a_checkpoint_in_the_middle_of_a_rollout_that_another_engine_goes_on_from(
    case, monkeypatch, tmp_path
):
    monkeypatch.setattr("vecac.engines.gymnasium_engine.CALL_SECONDS", 0.0)  # a call is a step
    calls, parts = 25, 5  # the first ends after the first step of a rollout of six, the last after the fifth
    case = case | {"env_id": SCRIPTED + "Saving-v0"}
    with training(case) as engine:
        expected = [engine.iterate(1).episodes for _ in range(calls * parts)], saved(engine, tmp_path)
    episodes, state = [], None
    for _ in range(parts):
        with host_apart(case, monkeypatch, spoils=False) as engine:
            if state is not None:
                engine.load_state_dict(state)
            for _ in range(calls):
                episodes.append(engine.iterate(1).episodes)
                state = saved(engine, tmp_path)
    assert bits((episodes, state)) == bits(expected)


class ClearedTooEarly(Rollout):
    def finish(self):
        super().finish()
        self.truncated_TN[:] = False


class PutBackTooEarly(Rollout):
    def _put_obs(self, row, obs_ND):
        before = self.obs_SND[row].copy()
        super()._put_obs(row, obs_ND)
        self.obs_SND[row] = before


class OneRowForAll(Rollout):
    """The last row of a rollout and the first of the next are sent from the same memory without a wait."""

    def _put_obs(self, row, obs_ND):
        self.obs_SND[0] = obs_ND + row
        self.tensors.obs_SND[row].copy_(self._host.obs_SND[0], non_blocking=True)


class LearntFromTheHost(Rollout):
    """The update reads the observations that were sent, and not those that have arrived."""

    def start(self, obs_ND):
        self.tensors = replace(self.tensors, obs_SND=self.obs_rows[0]._base)
        super().start(obs_ND)

    def finish(self):
        super().finish()
        self.tensors = replace(self.tensors, obs_SND=self._host.obs_SND)


@pytest.mark.parametrize("fault", [ClearedTooEarly, PutBackTooEarly, OneRowForAll])
def test_memory_that_changes_on_its_way_is_noticed(fault, monkeypatch):
    with pytest.raises(AssertionError, match="the host has changed what is on its way"):
        staged(CASES[6], monkeypatch, fault)


def test_memory_that_is_read_after_it_may_have_changed_is_noticed(monkeypatch):
    assert staged(CASES[6], monkeypatch, LearntFromTheHost) != unstaged(CASES[6])


@pytest.fixture
def meta(monkeypatch):
    return Meta(monkeypatch)


def test_statistics_are_sent_without_a_wait(meta):
    case = CASES[2] | {"norm_obs": True, "norm_reward": True, "normalize_advantage": True}
    with training(case, device="meta") as engine:
        acting = []
        engine._learner.act = counted(engine._learner.act, meta, acting)
        with meta:
            while engine.updates < 8:
                engine.iterate(1)
            assert meta.waits == sum(acting) == len(acting)


@pytest.mark.parametrize("case", [CASES[2], CASES[7]], ids=["next-step", "same-step"])
def test_statistics_are_those_of_the_host_side(case, monkeypatch):
    case = case | {"norm_obs": True, "norm_reward": True, "optimizer": "rmsprop"}
    expected = unstaged(case)
    with host_apart(case, monkeypatch, spoils=False) as engine:
        assert after_updates(engine) == expected


@each_case
def test_a_step_waits_once_and_an_update_never(case, meta):
    with training(case, device="meta") as engine:
        waits = {"act": [], "update": [], "insert": [], "finish": []}
        for owner, names in (
            (engine._learner, ("act", "update")),
            (engine._collector.rollout, ("insert", "finish")),
        ):
            for name in names:
                setattr(owner, name, counted(getattr(owner, name), meta, waits[name]))
        with meta:
            while engine.updates < 8:
                report = engine.iterate(1)
            assert set(waits["act"]) == {1} and len(waits["act"]) >= 8 * case["n_rollout"]
            assert set(waits["update"]) == set(waits["insert"]) == set(waits["finish"]) == {0}
            assert meta.waits == len(waits["act"])
            assert waits_of(meta, report.last_update.read) == 1  # a log row
            assert waits_of(meta, divergence, engine, {}, 1.0) == 6  # row or checkpoint: the parameters


def counted(call, device, waits):
    def count(*args):
        before = device.waits
        result = call(*args)
        waits.append(device.waits - before)
        return result

    return count


def waits_of(device, call, *args):
    waits = []
    counted(call, device, waits)(*args)
    return waits[0]


@pytest.mark.parametrize("sampled", [False, True])
def test_a_step_of_an_evaluation_waits_twice(sampled, meta):
    with training(CASES[0], device="meta") as engine:
        environments, steps = engine.environments, []
        environments.step = counted(environments.step, meta, steps)
        sequence = seed_sequences(1).evaluation
        with meta:
            assert evaluate(engine.network, environments, 4, sampled=sampled, sequence=sequence) is not None
        assert meta.waits == 2 * len(steps) > 0


@pytest.mark.linux
def test_workers_are_forked_before_anything_is_put_on_the_device(monkeypatch, tmp_path):
    """A process that forks after its first call of CUDA leaves its children a CUDA that is broken."""
    events, fork, to = [], os.fork, Network.to
    monkeypatch.setattr(os, "fork", lambda: events.append("fork") or fork())
    monkeypatch.setattr(Network, "to", lambda *args: events.append("to the device") or to(*args))
    settings = {"engine": "async", "start_method": "fork", "num_envs": 2, "learner": "torch"}
    train(Config(**settings, total_timesteps=20, eval_episodes=2, quiet=True, log_dir=str(tmp_path)))
    assert events == ["fork", "fork", "to the device"]


def test_tensors_on_both_devices_are_noticed(meta):
    with training(CASES[0], device="meta") as engine, meta:
        engine.network.fc1.bias = torch.nn.Parameter(torch.zeros(16))
        with pytest.raises(AssertionError, match="on both devices"):
            engine.iterate(1)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (lambda learner, rollout, index: torch.from_numpy(index).to(META, non_blocking=True), "not pinned"),
        (lambda learner, rollout, index: RolloutLoss._send(learner, rollout, index[..., ::2]), "by way of"),
    ],
)
def test_a_copy_that_would_be_waited_for_unseen_is_noticed(sent, said, meta, monkeypatch):
    with training(CASES[6], device="meta") as engine, meta:
        monkeypatch.setattr(engine._learner._loss, "_send", partial(sent, engine._learner._loss))
        with pytest.raises(AssertionError, match=said):
            engine.iterate(1)


def test_a_wait_in_an_update_is_noticed(meta, monkeypatch):
    with training(CASES[6], device="meta") as engine, meta:
        send = engine._learner._loss._send
        monkeypatch.setattr(engine._learner._loss, "_send", lambda *args: send(*args).cpu().to(META))
        engine.iterate(1)
        assert meta.waits > CASES[6]["n_rollout"]


def test_gradients_laid_out_otherwise_than_their_parameters_are_noticed(meta):
    with training(CASES[0], device="meta") as engine, meta:
        weight = engine.network.fc1.weight
        weight.register_hook(lambda gradient: gradient.contiguous())
        engine.iterate(1)
        weight.grad = torch.empty(weight.shape, device=META)
        with pytest.raises(AssertionError):
            engine._learner._step(0.1)
