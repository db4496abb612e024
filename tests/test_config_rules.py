"""Settings beside others, and for the engines and learners; each by itself is in test_config.py."""

import pytest

from vecac.config import Config
from vecac.config_rules import flag, typed
from vecac.errors import UsageError


def refusal(**fields):
    with pytest.raises(UsageError) as caught:
        Config(**fields)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("num_envs", 3, "--num-envs 3"),
        ("quiet", True, "--quiet"),
        ("quiet", False, "--no-quiet"),
        ("hidden_sizes", (64, 32), "--hidden-sizes 64 32"),
        ("env_kwargs", {"gravity": -5, "name": "x"}, "--env-kwargs gravity=-5 name='x'"),
    ],
)
def test_a_setting_is_shown_as_one_would_type_it(field, value, shown):
    assert typed(field, value) == shown


@pytest.mark.parametrize("engine", ["sync", "vector"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_method", "fork"),
        ("start_method", "forkserver"),
        ("start_method", "spawn"),
        ("shared_memory", False),
        ("step_timeout", 5.0),
    ],
)
def test_worker_settings_are_refused_without_workers(engine, field, value):
    message = refusal(engine=engine, **{field: value})
    shown = f"{flag(field)} {value}" if value else "--no-shared-memory"
    assert message.startswith(f"{shown} does not go with --engine {engine}, which has no worker processes: ")
    assert "--engine async" in message
    assert getattr(Config(engine="async", **{field: value}), field) == value


def test_what_would_be_ignored_without_another_setting_is_refused():
    assert refusal(clip_obs=5) == "--clip-obs 5 does nothing without --norm-obs: add that"
    assert refusal(lr_final=0.1) == "--lr-final 0.1 does nothing without --lr-schedule linear: add that"
    assert "--ent-coef-schedule linear" in refusal(ent_coef_final=0.1)
    assert Config(norm_obs=True, clip_obs=5).clip_obs == 5
    assert Config(anneal_lr=True, lr_final=0.1) != Config(lr_schedule="linear", lr_final=0.1)
    for size in (0.0, 1e300):
        assert refusal(norm_obs=True, clip_obs=size).startswith(
            "--clip-obs must be greater than 0, and at most"
        )


FUSED, COMPILED = {"engine": "fused"}, {"learner": "compiled"}


@pytest.mark.parametrize(
    ("choice", "given", "shown"),
    [
        *(
            (choice, *case)
            for choice in (FUSED, COMPILED)
            for case in [
                ({"hidden_sizes": (8, 8, 8)}, "--hidden-sizes 8 8 8"),
                ({"activation": "elu"}, "--activation elu"),
            ]
        ),
    ],
    ids=str,
)
def test_what_kernels_could_only_ignore_is_refused(choice, given, shown):
    (name, value) = next(iter(choice.items()))
    assert refusal(**choice, **given).startswith(f"{shown} does not go with --{name} {value}, which needs ")
    assert Config(**given), "torch takes it"


@pytest.mark.parametrize("engine", ["vector", "fused"])
def test_only_single_copies_can_be_wrapped(engine):
    said = f"--wrapper a:B does not go with --engine {engine}, which takes no --wrapper: leave it out, or use"
    assert refusal(engine=engine, wrapper="a:B").startswith(said)


def test_flag_is_the_command_lines_spelling():
    assert flag("max_grad_norm") == "--max-grad-norm"
    assert flag("seed") == "--seed"
