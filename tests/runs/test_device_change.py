"""A run that goes on on another kind of device than it was saved on."""

import json
import warnings

import pytest
import torch
from learner_support import counting_config, make_learner

from vecac.config import Config
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.run_folder import write_json
from vecac.seeding import restart_sequence, seed_sequences, torch_seed
from vecac.train import resume, train

ON_CUDA = torch.arange(16, dtype=torch.uint8)  # a CUDA generator's state: its seed and its offset
OTHER_NUMBERS = (
    "the run was saved on another kind of device: on cpu its policy goes on with other random numbers"
)


class CudaGenerator:
    """Keeps what a generator on CUDA is told, and takes no state but that of another one."""

    device = torch.device("cuda")

    def __init__(self):
        self.state = torch.zeros(16, dtype=torch.uint8)
        self.seeds = []

    def get_state(self):
        return self.state

    def set_state(self, state):
        assert state.shape == (16,)
        self.state = state

    def manual_seed(self, seed):
        self.seeds.append(seed)


def expected_seed(config, env_steps):
    return torch_seed(restart_sequence(seed_sequences(config.seed).policy, env_steps))


def test_a_state_of_the_cpu_reseeds_a_generator_on_cuda_and_one_of_cuda_is_taken_over():
    config = counting_config()
    learner = make_learner(config)
    on_cpu = learner.random_state()
    learner._generator = generator = CudaGenerator()
    (note,) = learner.load_random_state(on_cpu, None, 500)
    assert "other random numbers" in note
    assert generator.seeds == [expected_seed(config, 500)]
    assert learner.load_random_state(on_cpu | {"generator": ON_CUDA}, None, 500) == []
    assert torch.equal(generator.state, ON_CUDA)
    assert len(generator.seeds) == 1


def test_a_state_of_cuda_reseeds_a_generator_on_the_cpu_by_the_moment():
    config = counting_config()
    learner = make_learner(config)
    state = learner.random_state() | {"drawn": torch.rand(6, 6, 2)}
    for env_steps in (0, 500, 2**40):
        notes = learner.load_random_state(state | {"generator": ON_CUDA}, None, env_steps)
        assert notes == [OTHER_NUMBERS]
        assert learner._generator.initial_seed() == expected_seed(config, env_steps)
        assert torch.equal(learner.random_state()["drawn"], state["drawn"])  # for the rollout in progress
    assert learner.load_random_state(learner.random_state(), None, 0) == []


@pytest.fixture
def saved_on_cuda(tmp_path):
    """The folder of a run as a GPU would have left it."""
    config = Config(
        **{"num_envs": 2, "hidden_size": 8, "learner": "torch", "total_timesteps": 400, "eval_episodes": 0},
        log_dir=str(tmp_path),
        quiet=True,
    )
    run_dir = train(config).run_dir
    path = run_dir / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    content["config"]["device"] = "cuda:1"
    content["engine"]["policy"]["generator"] = ON_CUDA
    checkpoint.save(path, content)
    settings = json.loads((run_dir / "config.json").read_text())
    write_json(run_dir / "config.json", settings | {"device": "cuda:1", "device_requested": "cuda:1"})
    return run_dir


def go_on(run_dir, **given):
    """The run at 800 env steps, and the line on its random numbers if there was one."""
    return resume(run_dir, total_timesteps=800, quiet=False, **given)


def test_a_run_saved_on_cuda_goes_on_on_the_cpu_and_says_so(saved_on_cuda, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = go_on(saved_on_cuda, device="cpu")
    assert (result.stop_reason, result.device, result.device_requested) == ("finished", "cpu", "cpu")
    assert result.env_steps >= 800
    assert capsys.readouterr().out.splitlines().count(OTHER_NUMBERS) == 1
    written = json.loads((saved_on_cuda / "config.json").read_text())
    assert (written["device"], written["device_requested"]) == ("cpu", "cpu")
    resume(saved_on_cuda, total_timesteps=900, quiet=False)
    assert OTHER_NUMBERS not in capsys.readouterr().out  # its own state is the CPU's now


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_where_no_gpu_is_left_it_warns_and_goes_on_on_the_cpu(saved_on_cuda, capsys):
    with pytest.warns(UserWarning, match="--device cuda:1: .* training on the CPU instead"):
        result = go_on(saved_on_cuda)
    assert (result.device, result.device_requested) == ("cpu", "cuda:1")
    assert OTHER_NUMBERS in capsys.readouterr().out


def test_where_fewer_gpus_are_left_it_is_refused_with_the_way_out(saved_on_cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"^--device cuda:1 does not exist: .*; use --device cuda or cpu$"):
        go_on(saved_on_cuda)
    assert go_on(saved_on_cuda, device="cpu").device == "cpu"
