import copy
import dataclasses
import json
import math
import pickle

import pytest

from vecac.config import Config
from vecac.config_rules import flag
from vecac.errors import UsageError

TINY = math.ulp(0.0)  # the smallest float above 0
ABOVE_1 = math.nextafter(1.0, 2.0)

COUNT = ([1, 2], [0, -1])
COUNT_OR_NONE_OF_IT = ([0, 1], [-1])
POSITIVE = ([TINY, 1, 1e9], [0.0, 0, -TINY, -1])
FRACTION = ([0.0, 0, 0.5, 1.0, 1], [-TINY, ABOVE_1, 2])
WEIGHT = ([0.0, 0, TINY, 7.5], [-TINY, -1])
NAME = (["a", " a "], ["", " ", "\t\n"])
BOOL = ([True, False], [])

# Every field: values on the good side of its bounds, and values on the bad side.
RANGES = {
    "env_id": NAME,
    "num_envs": COUNT,
    "n_rollout": COUNT,
    "total_timesteps": COUNT,
    "learning_rate": POSITIVE,
    "anneal_lr": BOOL,
    "gamma": FRACTION,
    "td_lambda": FRACTION,
    "reward_scale": POSITIVE,
    "ent_coef": WEIGHT,
    "vf_coef": WEIGHT,
    "max_grad_norm": ([None, TINY, 1], [0.0, 0, -TINY]),
    "env_kwargs": (
        [{}, {"a": 1, "b": [True, None, "x"]}],
        [{"a": {1, 2}}, {"a b": 1}, {"a": math.nan}, {"num_envs": 3}],
    ),
    "max_episode_steps": ([None, 1, 10**18], [0, -1, 10**19]),
    "activation": (["relu", "tanh", "elu", "silu"], ["gelu", "ReLU", ""]),
    "separate_critic": BOOL,
    "init": (["default", "orthogonal"], ["xavier", ""]),
    "log_std_init": ([0.0, -20, 5, 1], [-20.1, 6]),
    "norm_obs": BOOL,
    "norm_reward": BOOL,
    "lr_schedule": (["constant", "linear"], ["cosine", ""]),
    "optimizer": (["adam", "rmsprop"], ["sgd", ""]),
    "optimizer_eps": ([None, TINY, 1], [0.0, 0, -TINY]),
    "normalize_advantage": BOOL,
    "ent_coef_schedule": (["constant", "linear"], ["cosine", ""]),
    "value_loss": (["smooth-l1", "mse"], ["huber", ""]),
    "bootstrap_truncated": BOOL,
    "engine": (["sync", "async", "vector", "fused", "auto"], ["jax", "SYNC", ""]),
    "learner": (["auto", "torch", "compiled"], ["numba", "Torch", ""]),
    "autoreset_mode": (["next-step", "same-step", "disabled"], ["next_step", "NEXT_STEP", ""]),
    "start_method": (["default"], ["threads", ""]),
    "shared_memory": ([True], []),
    "step_timeout": ([60.0, 60], [0.0, 0, -1, 0.0009, 1_000_001, 3e6]),
    "device": (
        ["auto", "cpu", "cuda", "cuda:0", "cuda:12"],
        ["gpu", "cuda:", "cuda:-1", "cuda:00", "cuda:01", "cuda:0 ", "CPU", "mps", ""],
    ),
    "num_threads": COUNT_OR_NONE_OF_IT,
    "seed": ([0, 1, 2**63 - 1], [-1, 2**63]),
    "init_from": NAME,
    "log_dir": NAME,
    "run_name": NAME,
    "log_interval": COUNT_OR_NONE_OF_IT,
    "checkpoint_interval": POSITIVE,
    "target_return": ([None, -1e9, 0, 475.5], []),
    "eval_episodes": COUNT_OR_NONE_OF_IT,
    "eval_max_steps": COUNT_OR_NONE_OF_IT,
    "eval_interval": COUNT_OR_NONE_OF_IT,
    "checkpoint_every": COUNT_OR_NONE_OF_IT,
    "video_at_end": BOOL,
    "quiet": BOOL,
}

INT_FIELDS = [
    "num_envs", "n_rollout", "total_timesteps", "num_threads", "seed", "log_interval", "eval_episodes",
    "eval_max_steps", "eval_interval", "checkpoint_every",
]  # fmt: skip
FLOAT_FIELDS = [
    "learning_rate", "gamma", "td_lambda", "reward_scale", "ent_coef", "vf_coef", "max_grad_norm",
    "checkpoint_interval", "target_return", "step_timeout", "log_std_init", "optimizer_eps",
]  # fmt: skip
BOOL_FIELDS = [
    "anneal_lr", "bootstrap_truncated", "shared_memory", "quiet", "separate_critic", "norm_obs",
    "norm_reward", "normalize_advantage", "video_at_end",
]  # fmt: skip
TEXT_FIELDS = ["env_id", "device", "log_dir", "run_name", "init_from"]
CHOICE_FIELDS = [
    "engine", "learner", "autoreset_mode", "start_method", "activation", "init", "lr_schedule", "optimizer",
    "ent_coef_schedule", "value_loss",
]  # fmt: skip
MAY_BE_NONE = {"max_grad_norm", "target_return", "optimizer_eps", "init_from"}
OTHERS = ["env_kwargs", "max_episode_steps"]
SEQUENCES = ["hidden_sizes", "wrapper"]  # in tests of their own, as are those that need another setting
NEED_ANOTHER = {
    "clip_obs": "norm_obs",
    "lr_final": "anneal_lr",
    "ent_coef_final": "ent_coef_schedule",
    "keep_checkpoints": "checkpoint_every",
    "init_optimizer": "init_from",
}


def pairs(side):
    return [(field, value) for field, sides in RANGES.items() for value in sides[side]]


def refusal(**fields):
    """The message that refuses these fields, after checks that every message has to pass."""
    with pytest.raises(UsageError) as caught:
        Config(**fields)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_every_field_is_in_the_tables():
    fields = {field.name for field in dataclasses.fields(Config)}
    assert {*RANGES, *SEQUENCES, *NEED_ANOTHER} == fields
    typed_fields = {*INT_FIELDS, *FLOAT_FIELDS, *BOOL_FIELDS, *TEXT_FIELDS, *CHOICE_FIELDS}
    assert typed_fields | {*OTHERS, *SEQUENCES, *NEED_ANOTHER} == fields


@pytest.mark.parametrize(("field", "value"), pairs(0))
def test_a_value_inside_its_range_is_kept(field, value):
    kept = getattr(Config(**{field: value}), field)
    assert kept == value
    assert type(kept) is type(value)


@pytest.mark.parametrize(("field", "value"), pairs(1))
def test_a_value_outside_its_range_is_refused_by_flag(field, value):
    message = refusal(**{field: value})
    assert message.startswith(f"{flag(field)} must be ")
    assert message.endswith(f", not {value!r}")


WRONG_TYPES = [
    *((field, value) for field in INT_FIELDS for value in ("8", 8.5, math.inf, True, None, [8])),
    *((field, value) for field in FLOAT_FIELDS for value in ("0.5", True, 0.5j, [0.5])),
    *((field, None) for field in FLOAT_FIELDS if field not in MAY_BE_NONE),
    *((field, value) for field in BOOL_FIELDS for value in (1, 0, "yes", None)),
    *((field, value) for field in TEXT_FIELDS for value in (1, b"cpu", ["cpu"])),
    *((field, None) for field in TEXT_FIELDS if field not in MAY_BE_NONE),
    *((field, value) for field in CHOICE_FIELDS for value in (1, None, True, ["sync"])),
]


@pytest.mark.parametrize(("field", "value"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused_by_flag(field, value):
    message = refusal(**{field: value})
    assert message.startswith(f"{flag(field)} must be ")
    assert repr(value) in message


@pytest.mark.parametrize("field", [*INT_FIELDS, "max_episode_steps"])
def test_a_whole_float_is_kept_as_an_int(field):
    kept = getattr(Config(**{field: 1e2}), field)
    assert kept == 100
    assert type(kept) is int
    assert json.loads(json.dumps(Config(**{field: 1e2}).to_dict()))[field] == 100


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", FLOAT_FIELDS)
def test_what_is_not_finite_is_refused_by_flag(field, value):
    assert refusal(**{field: value}) == f"{flag(field)} must be a finite number, not {value!r}"


@pytest.mark.parametrize("seconds", [0.001, 1_000_000])
def test_the_extremes_of_step_timeout(seconds):
    assert Config(engine="async", step_timeout=seconds).step_timeout == seconds
    assert refusal(engine="async", step_timeout=3e6) == (
        "--step-timeout must be between 0.001 and 1,000,000, not 3000000.0"
    )


def test_what_must_be_text_says_so():
    for field in TEXT_FIELDS:
        assert refusal(**{field: 1}) == f"{flag(field)} must be text, not 1"


def test_equal_settings_are_equal_however_they_were_given():
    assert Config(seed=1) == Config() == dataclasses.replace(Config(seed=2), seed=1)
    assert pickle.loads(pickle.dumps(Config(seed=7))) == copy.deepcopy(Config(seed=7)) == Config(seed=7)
    assert hash(Config(seed=1)) == hash(Config())
    assert Config(seed=1).to_dict() == Config().to_dict()


def test_defaults():
    # fmt: off
    assert Config().to_dict() == {
        "env_id": "CartPole-v1", "num_envs": 16, "n_rollout": 10, "total_timesteps": 1_000_000,
        "env_kwargs": {}, "wrapper": [], "max_episode_steps": None,
        "learning_rate": 2e-4, "anneal_lr": False, "gamma": 0.98, "td_lambda": 0.0, "reward_scale": 0.01,
        "lr_schedule": "constant", "lr_final": 0.0, "optimizer": "adam", "optimizer_eps": None,
        "normalize_advantage": False, "ent_coef": 0.0, "ent_coef_schedule": "constant", "ent_coef_final": 0.0,
        "vf_coef": 1.0, "value_loss": "smooth-l1", "max_grad_norm": None, "hidden_sizes": [256],
        "activation": "relu", "separate_critic": False, "init": "default", "log_std_init": 0.0,
        "norm_obs": False, "clip_obs": 10.0, "norm_reward": False,
        "bootstrap_truncated": True, "engine": "sync", "learner": "auto", "autoreset_mode": "next-step",
        "start_method": "default", "shared_memory": True, "step_timeout": 60.0, "device": "auto",
        "num_threads": 0, "seed": 1, "log_dir": "logs", "run_name": "vecac", "log_interval": 0,
        "checkpoint_interval": 60.0, "target_return": None, "eval_episodes": 100,
        "eval_max_steps": 0, "eval_interval": 0,
        "init_from": None, "init_optimizer": False, "checkpoint_every": 0, "keep_checkpoints": None,
        "video_at_end": False, "quiet": False,
    }
    # fmt: on


def test_to_dict_survives_json():
    config = Config(env_id="Acrobot-v1", num_envs=3, max_grad_norm=0.5, target_return=-90.0)
    assert Config(**json.loads(json.dumps(config.to_dict()))) == config
    config = Config(hidden_sizes=(8, 9), env_kwargs={"a": [1, "b"]}, wrapper=["a:B", "c:D,e=1"])
    assert Config(**json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("given", [[64, 32], (64, 32), (64.0, 32)])
def test_hidden_sizes_are_kept_as_a_tuple_of_ints(given):
    kept = Config(hidden_sizes=given).hidden_sizes
    assert kept == (64, 32)
    assert [type(size) for size in kept] == [int, int]


@pytest.mark.parametrize("given", [(), [0], [64, -1], [65_537]])
def test_hidden_sizes_out_of_range_are_refused(given):
    assert refusal(hidden_sizes=given).startswith("--hidden-sizes must be one or more widths between 1 and")


@pytest.mark.parametrize("given", ["64", [64, "32"], [64.5], [True], None])
def test_hidden_sizes_of_the_wrong_type_are_refused(given):
    assert refusal(hidden_sizes=given).startswith("--hidden-sizes must be a whole number, not ")


def test_fields_have_the_second_names_that_flags_have():
    assert Config(hidden_size=24) == Config(hidden_sizes=(24,)) == Config(hidden_size=[24])
    assert Config(gae_lambda=0.5, num_steps=7) == Config(td_lambda=0.5, n_rollout=7)
    assert refusal(gae_lambda=0.5, td_lambda=0.6) == "td_lambda and gae_lambda are one setting: leave one out"


def test_one_wrapper_is_a_list_of_one():
    assert Config(wrapper="a:B").wrapper == ("a:B",)
    assert refusal(wrapper=[3]) == "--wrapper must be text, not 3"


def test_frozen():
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.gamma = 0.5
    assert config.gamma == 0.98


def test_replace_validates_again():
    with pytest.raises(UsageError, match="--num-envs"):
        dataclasses.replace(Config(), num_envs=0)


@pytest.mark.parametrize(
    ("total", "interval", "expected"),
    [
        (1_000_000, 0, 5000),
        (400, 0, 2),
        (399, 0, 1),
        (199, 0, 1),
        (1, 0, 1),
        (1_000_000, 7, 7),
        (10, 1000, 1000),
    ],
)
def test_log_every_is_derived_from_the_total_where_no_interval_is_given(total, interval, expected):
    config = Config(total_timesteps=total, log_interval=interval)
    assert config.log_every == expected
    assert config.log_interval == interval


def test_log_every_is_no_setting():
    with pytest.raises(UsageError, match="Config has no field log_every"):
        Config(log_every=10)
    assert "log_every" not in Config().to_dict()


def test_usage_error_is_a_value_error():
    with pytest.raises(ValueError, match="--gamma"):
        Config(gamma=2)


def test_a_number_is_one_that_torch_takes():
    config = Config(reward_scale=2**64, vf_coef=2, max_grad_norm=2**70)
    kept = [config.reward_scale, config.vf_coef, config.max_grad_norm]
    assert [(type(number), number) for number in kept] == [(float, 2.0**64), (int, 2), (float, 2.0**70)]
