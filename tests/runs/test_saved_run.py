import dataclasses
import json
from dataclasses import replace

import pytest

from vecac.config import Config
from vecac.config_rules import flag, typed
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.run_folder import describe_run, write_json
from vecac.runs.saved_run import MAY_CHANGE, config_to_go_on_with, saved_run

ENV_STEPS, TOTAL = 1250, 5000


def write(folder, content=None, **settings):
    """A run folder as a run leaves it, with a checkpoint of no more than these tests need."""
    config = Config(**{"total_timesteps": TOTAL} | settings)
    (folder / "checkpoints").mkdir(parents=True)
    write_json(folder / "config.json", describe_run(config, "cpu"))
    nothing = {"network": {}, "optimizer": {}, "updates": 31, "engine": {}, "run": {"a": 1}}
    content = {"config": config.to_dict(), "env_steps": ENV_STEPS, **nothing, **(content or {})}
    checkpoint.save(folder / "checkpoints" / "latest.pt", content)
    return config


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


def refusal(run_dir, **given):
    """Why the run is not gone on with: one line, and the folder is as it was."""
    before = {path: path.is_file() and path.read_bytes() for path in run_dir.rglob("*")}
    with pytest.raises(UsageError) as caught:
        saved_run(run_dir, given)
    assert {path: path.is_file() and path.read_bytes() for path in run_dir.rglob("*")} == before
    (line,) = str(caught.value).splitlines()
    return line


def test_settings_left_out_are_as_saved(run_dir):
    saved = write(run_dir, gamma=0.5, seed=9, engine="async", step_timeout=7.0, max_grad_norm=0.5)
    run = saved_run(run_dir, {})
    assert run.config == saved
    assert run.run_dir == run_dir
    assert (run.content["env_steps"], run.content["run"]) == (ENV_STEPS, {"a": 1})
    assert run.notes == ["going on at 1,250 of 5,000 env steps"]


OTHERWISE = {
    "env_id": "Acrobot-v1", "num_envs": 3, "n_rollout": 5, "learning_rate": 1e-3, "anneal_lr": True,
    "gamma": 0.5, "td_lambda": 0.5, "reward_scale": 1.0, "ent_coef": 0.1, "vf_coef": 0.5,
    "max_grad_norm": 1.0, "bootstrap_truncated": False, "engine": "sync", "optimizer": "rmsprop",
    "env_kwargs": {"a": 1}, "wrapper": ("a:B",), "max_episode_steps": 9, "hidden_sizes": (8,),
    "activation": "tanh", "separate_critic": True, "init": "orthogonal", "log_std_init": 1.0,
    "norm_obs": True, "norm_reward": True, "lr_schedule": "linear", "optimizer_eps": 0.1,
    "normalize_advantage": True, "ent_coef_schedule": "linear", "value_loss": "mse",
    "learner": "compiled", "autoreset_mode": "same-step", "start_method": "fork", "shared_memory": False,
    "seed": 2, "log_dir": "elsewhere", "run_name": "other", "eval_interval": 7, "init_from": "x",
}  # fmt: skip
NEED_ANOTHER = {"clip_obs", "lr_final", "ent_coef_final", "keep_checkpoints", "init_optimizer"}
ALLOWED = {
    "total_timesteps": 9000, "device": "cuda", "num_threads": 2, "eval_episodes": 0, "eval_max_steps": 9,
    "target_return": 300.0, "quiet": True, "log_interval": 50, "checkpoint_interval": 5.0,
    "step_timeout": 5.0, "checkpoint_every": 500, "video_at_end": True,
}  # fmt: skip


def test_every_setting_is_tried():
    assert {*OTHERWISE, *ALLOWED, *NEED_ANOTHER} == {field.name for field in dataclasses.fields(Config)}
    assert set(MAY_CHANGE) == {*ALLOWED, "keep_checkpoints"}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_changes_what_is_learned_is_refused_by_flag(run_dir, name):
    saved = write(run_dir, engine="async", learner="torch")
    message = refusal(run_dir, **{name: OTHERWISE[name]})
    assert message == (
        f"{typed(name, OTHERWISE[name])} is not what the run was started with "
        f"({getattr(saved, name)}): "
        "leave it out, or start a new run"
    )


def test_a_default_that_is_given_counts_as_much_as_any_other_value(run_dir):
    write(run_dir, gamma=0.5)
    assert refusal(run_dir, gamma=0.98).startswith("--gamma 0.98 is not what the run was started with (0.5)")


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_given_as_saved_is_no_change(run_dir, name):
    saved = write(run_dir, engine="async", learner="torch", seed=9)
    assert saved_run(run_dir, {name: getattr(saved, name)}).config == saved


@pytest.mark.parametrize("name", ALLOWED)
def test_what_changes_nothing_that_is_learned_may_change(run_dir, name):
    saved = write(run_dir, engine="async", learner="torch")
    run = saved_run(run_dir, {name: ALLOWED[name]})
    assert run.config == replace(saved, **{name: ALLOWED[name]})
    assert run.config != saved


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:0"])
def test_a_run_of_a_gpu_that_is_missing_can_change_to_another_device(run_dir, device):
    write(run_dir, learner="torch", device="cuda:1")
    assert saved_run(run_dir, {"device": device}).config.device == device


@pytest.mark.parametrize(("engine", "said"), [("sync", "--learner compiled"), ("fused", "--engine fused")])
def test_kernels_do_not_change_to_a_gpu(run_dir, engine, said):
    write(run_dir, engine=engine, learner="compiled")
    begin = f"--device cuda does not go with {said}, which runs on the CPU: use --device cpu"
    assert refusal(run_dir, device="cuda").startswith(begin)


def test_a_target_return_can_be_taken_back(run_dir):
    write(run_dir, target_return=300.0)
    assert saved_run(run_dir, {"target_return": None}).config.target_return is None


def test_a_change_that_does_not_go_with_the_saved_settings_is_refused(run_dir):
    write(run_dir, engine="sync")
    assert refusal(run_dir, step_timeout=5.0).startswith("--step-timeout 5.0 does not go with --engine sync")


def test_the_total_may_only_be_raised(run_dir):
    write(run_dir)
    assert refusal(run_dir, total_timesteps=4999) == (
        "--total-timesteps 4999 is less than the run's 5000: it can only be raised"
    )
    assert saved_run(run_dir, {"total_timesteps": 5000}).config.total_timesteps == 5000
    assert saved_run(run_dir, {"total_timesteps": 5001}).config.total_timesteps == 5001


def test_auto_means_as_saved(run_dir):
    saved = write(run_dir, device="cpu", engine="vector", learner="torch", log_interval=25)
    left_open = {"engine": "auto", "learner": "auto", "device": "auto", "log_interval": 0}
    assert saved_run(run_dir, left_open).config == saved


def test_a_setting_that_there_is_not_is_named(run_dir):
    write(run_dir)
    assert refusal(run_dir, total_steps=9) == "Config has no field total_steps: did you mean total_timesteps?"


def test_the_resume_that_earlier_versions_saved_is_passed_over(run_dir):
    saved = write(run_dir)
    config = {**saved.to_dict(), "resume": None}
    (run_dir / "config.json").write_text(json.dumps(config))
    path = run_dir / "checkpoints" / "latest.pt"
    checkpoint.save(path, checkpoint.load(path) | {"config": config})
    assert saved_run(run_dir, {}).config == saved


def test_the_device_is_the_one_asked_for_and_not_what_the_machine_had(run_dir):
    write(run_dir)
    settings = json.loads((run_dir / "config.json").read_text())
    settings |= {"device": "cpu", "device_requested": "cuda"}
    write_json(run_dir / "config.json", settings)
    assert config_to_go_on_with(run_dir).device == "cuda"


def test_a_folder_of_an_earlier_vecac_lacks_settings_that_came_later(run_dir):
    write(run_dir, seed=9)
    settings = json.loads((run_dir / "config.json").read_text())
    for name in ("step_timeout", "device_requested"):
        del settings[name]
    write_json(run_dir / "config.json", settings | {"device": "cuda:1", "a_setting_long_gone": 1})
    assert config_to_go_on_with(run_dir) == Config(seed=9, total_timesteps=TOTAL, device="cuda:1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_envs": 0}, "--num-envs must be "),
        ({"env_id": 5}, "--env-id must be text, not 5"),
        ({"seed": None}, "--seed must be a whole number, not None"),
        ({"engine": "sync", "start_method": "fork"}, "--start-method fork does not go with --engine sync"),
    ],
)
def test_a_config_json_whose_settings_are_not_valid_is_damaged(run_dir, changes, said):
    write(run_dir)
    settings = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(json.dumps(settings | changes))
    assert refusal(run_dir).startswith(f"{run_dir / 'config.json'} is damaged: {said}")


INFINITE = [
    f'{{"env_id": "CartPole-v1", "versions": [{number}]}}' for number in ("NaN", "-Infinity", "1e999")
]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "[" * 100_000, *INFINITE])
def test_a_config_json_that_holds_no_settings_is_damaged(run_dir, text):
    write(run_dir)
    (run_dir / "config.json").write_text(text)
    assert refusal(run_dir).startswith(f"{run_dir / 'config.json'} is damaged: ")


def test_a_folder_that_is_none(tmp_path, run_dir):
    run_dir.mkdir()
    for folder in (run_dir, tmp_path / "missing"):
        message = refusal(folder)
        assert message.startswith(f"{folder} is not a run folder (")
        assert message.endswith("name one that vecac.train printed")


def test_a_checkpoint_that_is_missing_or_damaged(run_dir):
    write(run_dir)
    path = run_dir / "checkpoints" / "latest.pt"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert refusal(run_dir).startswith(f"checkpoint {path} is damaged, cut short or not one of vecac's")
    path.unlink()
    assert refusal(run_dir).startswith(f"checkpoint {path} cannot be read: No such file or directory")


@pytest.mark.parametrize("lacking", ["engine", "run"])
def test_a_checkpoint_that_only_holds_a_policy_cannot_be_resumed(run_dir, lacking):
    write(run_dir)
    path = run_dir / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    del content[lacking]
    checkpoint.save(path, content)
    assert refusal(run_dir) == (
        f"checkpoint {path} can be evaluated, but not resumed: use one that is called latest.pt"
    )


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_checkpoint_of_other_settings_than_config_json_is_refused_by_flag(run_dir, name):
    saved = write(run_dir, engine="async", learner="torch")
    path = run_dir / "checkpoints" / "latest.pt"
    other = replace(saved, **{name: OTHERWISE[name]})
    checkpoint.save(path, checkpoint.load(path) | {"config": other.to_dict()})
    assert refusal(run_dir) == (
        f"checkpoint {path} is of {flag(name)} {OTHERWISE[name]}, but the run folder's config.json says "
        f"{getattr(saved, name)}: put the run's own files back"
    )


@pytest.mark.parametrize("name", ALLOWED)
def test_a_checkpoint_may_be_older_than_a_change_that_changes_nothing(run_dir, name):
    saved = write(run_dir, engine="async", learner="torch")
    path = run_dir / "checkpoints" / "latest.pt"
    other = replace(saved, **{name: ALLOWED[name]})
    checkpoint.save(path, checkpoint.load(path) | {"config": other.to_dict()})
    assert saved_run(run_dir, {}).config == saved


@pytest.mark.parametrize("config", [{"setting_of_the_future": 1}, {"num_envs": 0}, 5])
def test_a_checkpoint_of_settings_that_are_none(run_dir, config):
    write(run_dir, content={"config": config})
    path = run_dir / "checkpoints" / "latest.pt"
    assert refusal(run_dir).startswith(f"checkpoint {path} does not fit this vecac: ")


@pytest.mark.parametrize(
    ("env_steps", "total", "notes"),
    [
        # A quarter is done, so 0.75 of the rate is left; of 10,000 it is an eighth.
        (1250, 5000, []),
        (1250, 10_000, ["at 10,000 env steps, so it goes on at 0.00875 instead of 0.0075"]),
        (5010, 10_020, ["at 10,020 env steps, so it goes on at 0.005 instead of 0"]),
    ],
)
def test_annealing_over_another_total_is_told(run_dir, env_steps, total, notes):
    settings = {"anneal_lr": True, "learning_rate": 0.01}
    write(run_dir, content={"env_steps": env_steps}, **settings)
    first, *others = saved_run(run_dir, {"total_timesteps": total}).notes
    assert first == f"going on at {env_steps:,} of {total:,} env steps"
    assert others == [f"the learning rate now falls to 0 {note}" for note in notes]


def test_a_constant_learning_rate_is_not_worth_a_note(run_dir):
    write(run_dir)
    notes = saved_run(run_dir, {"total_timesteps": 10_000}).notes
    assert notes == ["going on at 1,250 of 10,000 env steps"]


@pytest.mark.parametrize(("env_steps", "is_done"), [(4999, False), (5000, True), (5030, True)])
def test_a_run_that_is_done_says_so(run_dir, env_steps, is_done):
    write(run_dir, content={"env_steps": env_steps})
    notes = saved_run(run_dir, {}).notes
    done = "nothing is left to train: raise --total-timesteps to go on; evaluating again"
    assert notes[1:] == ([done] if is_done else [])


def test_quiet_holds_for_one_command(run_dir):
    write(run_dir, quiet=True)
    assert config_to_go_on_with(run_dir).quiet is False
    assert saved_run(run_dir, {}).config.quiet is False
    assert saved_run(run_dir, {"quiet": True}).config.quiet is True
