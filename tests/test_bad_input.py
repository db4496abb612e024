"""What the user can get wrong: exit code 2, one line that names it, and nothing left behind."""

import gymnasium as gym
import pytest
import torch
from support import contents, explained, run

import vecac.evaluate
import vecac.train
from vecac.engines.hardware import resolve_device
from vecac.errors import UsageError

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Train with flags that cannot be used: the message, after checks that nothing is left."""
    monkeypatch.setattr("vecac.runs.run.Run", None)  # nothing may get as far as to call it

    def refused(*flags, log_dir="logs"):
        before = contents(tmp_path)
        code = vecac.train.main([*flags, "--log-dir", log_dir])
        message = explained(code, *capsys.readouterr())
        assert contents(tmp_path) == before
        return message

    return refused


OUT_OF_RANGE = [
    ("--env-id", " ", "a name that is not empty"),
    ("--num-envs", "0", "between 1 and 1,000,000"),
    ("--num-envs", "-3", "between 1 and 1,000,000"),
    ("--n-rollout", "0", "between 1 and 1,000,000"),
    ("--total-timesteps", "0", "between 1 and 1,000,000,000,000,000,000"),
    ("--learning-rate", "0", "greater than 0"),
    ("--learning-rate", "-1e-4", "greater than 0"),
    ("--learning-rate", "nan", "a finite number"),
    ("--gamma", "1.01", "between 0 and 1"),
    ("--gamma", "-0.1", "between 0 and 1"),
    ("--gamma", "nan", "a finite number"),
    ("--td-lambda", "1.01", "between 0 and 1"),
    ("--td-lambda", "-0.1", "between 0 and 1"),
    ("--reward-scale", "0", "greater than 0"),
    ("--reward-scale", "inf", "a finite number"),
    ("--ent-coef", "-0.01", "0 or more"),
    ("--vf-coef", "-1", "0 or more"),
    ("--max-grad-norm", "0", "greater than 0"),
    ("--max-grad-norm", "inf", "a finite number"),
    ("--hidden-sizes", "0", "one or more widths between 1 and 65,536"),
    ("--step-timeout", "0", "between 0.001 and 1,000,000"),
    ("--step-timeout", "3e6", "between 0.001 and 1,000,000"),
    ("--step-timeout", "inf", "a finite number"),
    ("--device", "gpu", "auto, cpu, cuda or cuda:N"),
    ("--num-threads", "-1", "between 0 and 256"),
    ("--seed", "-1", "between 0 and 2**63 - 1"),
    ("--run-name", "", "a name of 1 to 100 characters"),
    ("--log-interval", "-1", "between 0 and 1,000,000,000,000,000,000"),
    ("--checkpoint-interval", "0", "greater than 0"),
    ("--checkpoint-interval", "-inf", "a finite number"),
    ("--target-return", "nan", "a finite number"),
    ("--eval-episodes", "-1", "between 0 and 1,000,000,000"),
]


@pytest.mark.parametrize(("flag", "value", "wanted"), OUT_OF_RANGE)
def test_a_flag_out_of_its_range(refused, flag, value, wanted):
    assert refused(f"{flag}={value}").startswith(f"{flag} must be {wanted}, not ")


def test_an_empty_log_dir(refused):
    assert refused(log_dir="").startswith("--log-dir must be a name that is not empty")


@pytest.mark.parametrize(
    "flags",
    [
        "--num-envs many",
        "--num-envs 2.5",
        "--gamma high",
        "--engine jax",
        "--start-method thread",
        "--autoreset-mode never",
        "--num-envs",
    ],
)
def test_what_tyro_finds_keeps_tyros_message(tmp_path, capsys, flags):
    with pytest.raises(SystemExit) as ending:
        vecac.train.main(flags.split())
    assert ending.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert flags.split()[0] in stderr
    assert "--help" in stderr
    assert "Traceback" not in stderr
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--start-method fork", "--start-method fork"),
        ("--no-shared-memory", "--no-shared-memory"),
        ("--engine vector --start-method spawn", "--start-method spawn"),
        ("--engine fused --step-timeout 5", "--step-timeout 5.0"),
    ],
)
def test_worker_flags_without_workers(refused, flags, named):
    message = refused(*flags.split())
    assert message.startswith(f"{named} does not go with --engine ")
    assert message.endswith("leave it out, or use --engine async")


@pytest.mark.parametrize(
    ("env_id", "said"),
    [
        ("Cartpole-v1", ["did you mean CartPole-v1?"]),
        ("CartPole-v99", ["did you mean CartPole-v1?"]),
        ("CartPole", ["did you mean CartPole-v1?"]),
        ("nowhere/Quux-v0", ["name module:Id-v0 with the module that registers it"]),
        ("CartPole-v1 ", ["did you mean CartPole-v1?"]),
        ("no_such_module:Thing-v0", ["the module no_such_module cannot be imported", "No module named"]),
        ("support:Quux-v0", ["name module:Id-v0 with the module that registers it"]),
        ("support:Raisin", ["did you mean support:Raising-v0?"]),
        ("CartPole-v1:", ["is no module"]),
    ],
)
@pytest.mark.parametrize("engine", ["sync", "async", "vector"])
def test_an_unknown_environment(refused, engine, env_id, said):
    message = refused("--env-id", env_id, "--engine", engine)
    assert message.startswith(f"--env-id {env_id.strip()}")
    assert all(text in message for text in said)


@pytest.mark.parametrize("env_id", ["./mine:Mine-v0", ".mine:Mine-v0", ":CartPole-v1"])
def test_a_module_that_is_no_module_name(refused, env_id):
    assert refused("--env-id", env_id).startswith(f"--env-id {env_id}")


def test_an_environment_whose_dependency_is_missing(refused, monkeypatch):
    def make(*_, **__):
        raise gym.error.DependencyNotInstalled("Box2D is not installed, run `pip install ...`")

    monkeypatch.setattr(gym, "make", make)
    message = refused()
    assert message.startswith("--env-id CartPole-v1 cannot be made: DependencyNotInstalled")
    assert "Box2D is not installed, run `pip" in message


@pytest.mark.parametrize(
    ("env_id", "said"),
    [
        ("support:Picture-v0", "has the observation space Box(0, 255, (3, 3, 3), uint8): pictures are not"),
        ("support:Talking-v0", "has the observation space Text("),
        ("support:Listing-v0", "has the observation space Dict('list': Sequence("),
    ],
)
@pytest.mark.parametrize("engine", ["sync", "async"])
def test_spaces_that_are_not_supported(refused, engine, env_id, said):
    message = refused("--env-id", env_id, "--engine", engine, "--num-envs", "2")
    assert message.startswith(f"--env-id {env_id} {said}")


def test_an_environment_without_a_vector_form(refused):
    message = refused("--env-id", "Acrobot-v1", "--engine", "vector")
    assert message == "--env-id Acrobot-v1 has no vector form of its own: use --engine sync"


@pytest.mark.parametrize("mode", ["same-step", "disabled"])
def test_an_autoreset_mode_that_the_vector_form_has_not(refused, mode):
    message = refused("--engine", "vector", "--autoreset-mode", mode)
    assert message == (
        f"--autoreset-mode {mode} is not what the vector form of CartPole-v1 does: "
        "use --autoreset-mode next-step, or --engine sync"
    )


def test_a_start_method_that_this_platform_has_not(refused, monkeypatch):
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn", "forkserver"])
    message = refused("--engine", "async", "--start-method", "fork", "--learner", "torch")
    assert message == "--start-method fork does not exist here: use spawn or forkserver"


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


# torch keeps the index in eight bits: for it, cuda:256 is cuda:0.
@pytest.mark.parametrize("device", ["cuda:1", "cuda:127", "cuda:255", "cuda:256", f"cuda:{10**20}"])
def test_a_gpu_that_does_not_exist(one_gpu, device):
    refusal = rf"^--device {device} does not exist: there are 1 .*; use --device cuda or cpu$"
    with pytest.raises(UsageError, match=refusal):
        resolve_device(device)


@pytest.mark.parametrize("log_dir", ["taken", "taken/deeper", "dangling"])
def test_a_log_folder_that_cannot_be(refused, tmp_path, log_dir):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "dangling").symlink_to(tmp_path / "taken" / "nothing")
    message = refused(log_dir=log_dir)
    assert message.startswith(f"--log-dir {log_dir} cannot be written to: ")
    assert message.endswith("; name a folder that can")


def test_a_run_name_that_makes_too_long_a_folder_name(refused, tmp_path):
    (tmp_path / "logs").mkdir()
    assert "--run-name" in refused("--run-name", "x" * 300)


def test_in_processes_of_their_own(tmp_path):
    message = explained(
        *run("-m", "vecac.train", "--env-id", "support:Talking-v0", "--log-dir", tmp_path / "logs")
    )
    assert message.startswith("--env-id support:Talking-v0 has the observation space Text(")
    message = explained(*run("-m", "vecac.evaluate", tmp_path / "missing"))
    assert message.startswith(f"{tmp_path / 'missing'} is not a run folder")
    assert contents(tmp_path) == {}
