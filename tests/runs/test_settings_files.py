import json

import pytest
from support import edit

from vecac.config import Config
from vecac.errors import UsageError
from vecac.runs.settings_files import SHIPPED, hint_at_shipped, read_settings, shipped_for
from vecac.train import train

FILES = sorted(SHIPPED.glob("*.toml"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('env_id = "Acrobot-v1"\nhidden_sizes = [64, 64]\ngae_lambda = 0.9\n')
    return path


def test_settings_come_from_a_toml_file_by_either_name(file):
    assert read_settings(str(file)) == {"env_id": "Acrobot-v1", "hidden_sizes": [64, 64], "td_lambda": 0.9}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_shipped_file_is_named_by_its_environment_and_valid(path):
    settings = read_settings(path.stem)
    assert settings["env_id"] == path.stem
    assert Config(**settings).env_id == path.stem
    assert path.read_text().startswith("# "), "it does not say what was measured with it"
    assert shipped_for(path.stem) == path


def test_settings_come_from_an_earlier_run(tmp_path):
    config = Config(
        total_timesteps=200,
        num_envs=2,
        eval_episodes=0,
        log_dir=str(tmp_path),
        quiet=True,
        hidden_sizes=(8, 8, 8),
    )
    run_dir = train(config).run_dir
    settings = read_settings(str(run_dir / "config.json"))
    taken = Config(**settings)
    assert (taken.num_envs, taken.hidden_sizes, taken.quiet) == (2, (8, 8, 8), False)
    assert taken.learner == "torch"  # as it was chosen then
    assert read_settings(str(run_dir)) == settings
    edit(run_dir / "config.json", '"num_envs": 2', '"num_envs": 0')
    with pytest.raises(UsageError, match=r"config.json is damaged: --num-envs must be between"):
        read_settings(str(run_dir / "config.json"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learningrate = 1", "Config has no field learningrate: did you mean learning_rate?"),
        ("num_envs = 0", "--num-envs must be between 1 and 1,000,000, not 0"),
        ('num_envs = "8"', "--num-envs must be a whole number, not '8'"),
        ("hidden_size = 8\nhidden_sizes = [8]", "hidden_sizes and hidden_size are one setting"),
        ("num_envs 8", "is no TOML file"),
        ("[section]\nnum_envs = 8", "Config has no field section"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_it(file, text, said):
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings(str(file))
    assert str(caught.value).startswith(f"--settings {file}")
    assert said in str(caught.value)


def test_an_older_word_in_a_file_does_not_count_against_a_newer_one_beside_it(file):
    file.write_text("anneal_lr = true")
    assert Config(**read_settings(str(file))).lr_schedule == "linear"
    assert not Config(**read_settings(str(file)) | {"lr_schedule": "constant"}).anneals_lr


def test_bytes_that_are_no_text_are_named(file):
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is no TOML file"):
        read_settings(str(file))


@pytest.mark.parametrize("name", ["nowhere.toml", "Nowhere-v0", ".", ""])
def test_what_cannot_be_read_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^--settings .*cannot be read"):
        read_settings(name)


def test_a_name_that_is_nearly_right_is_told():
    with pytest.raises(UsageError, match=r"did you mean LunarLander-v3\?$"):
        read_settings("LunarLander-v2")


def test_who_learns_by_the_defaults_is_told_of_the_file():
    config = Config(env_id="Pendulum-v1", total_timesteps=5, num_envs=3, n_rollout=7, seed=9)
    said = "--settings Pendulum-v1 has settings that were tried for this environment"
    assert hint_at_shipped(config.env_id, config) == said
    for chosen in ({"learning_rate": 1e-3}, {"hidden_sizes": (8,)}, {"norm_obs": True}):
        assert hint_at_shipped("Pendulum-v1", Config(**chosen)) is None
    assert hint_at_shipped("Pendulum-v0", config) is None


def test_config_json_is_json_of_the_settings(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(Config(env_id="Acrobot-v1").to_dict()))
    assert Config(**read_settings(str(path))) == Config(env_id="Acrobot-v1")
