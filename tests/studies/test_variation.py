"""What --vary means, and the settings that come of it."""

import math
import re

import numpy as np
import pytest

from vecac.errors import UsageError
from vecac.studies.variation import Range, grid, parse_variations, sample, variations_of


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("learning-rate=2e-4,5e-4", "learning_rate", (2e-4, 5e-4)),
        ("learning_rate=1", "learning_rate", (1,)),
        ("--num-envs=4, 16", "num_envs", (4, 16)),
        ("num-steps=5,20", "n_rollout", (5, 20)),
        ("gae-lambda=0,0.95", "td_lambda", (0, 0.95)),
        ("total-timesteps=1e5", "total_timesteps", (100_000,)),
        ("optimizer=adam,rmsprop", "optimizer", ("adam", "rmsprop")),
        ("bootstrap-truncated=True,false", "bootstrap_truncated", (True, False)),
        ("max-grad-norm=none,0.5", "max_grad_norm", (None, 0.5)),
        ("hidden-sizes=64,64 64", "hidden_sizes", ((64,), (64, 64))),
        (
            "env-kwargs=gravity=-5,gravity=-10 wind=True",
            "env_kwargs",
            ({"gravity": -5}, {"gravity": -10, "wind": True}),
        ),
        ("wrapper=a:B,size=4|c:D", "wrapper", (("a:B,size=4",), ("c:D",))),
    ],
)
def test_values_are_as_the_fields_take_them(text, field, values):
    assert parse_variations([text]) == {field: values}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gamma=0.9..0.999", Range(0.9, 0.999, False, False)),
        ("learning-rate=log:1e-5..1e-2", Range(1e-5, 1e-2, True, False)),
        ("num-envs=1..64", Range(1, 64, False, True)),
        ("max-grad-norm=0.1..1", Range(0.1, 1.0, False, False)),
    ],
)
def test_ranges(text, expected):
    (values,) = parse_variations([text]).values()
    assert values == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            ["lerning-rate=1"],
            "--vary lerning_rate names no flag of vecac.train: did you mean --learning-rate?",
        ),
        (["xyzzy"], "--vary xyzzy names no flag of vecac.train; --help shows them"),
        ([""], "--vary without a flag names no flag"),
        (["env-id=CartPole-v1,Acrobot-v1"], "--vary env-id: a study is of one environment"),
        (["num-envs=4,4.0"], "gives a value twice"),
        (["learning-rate"], "gives no values: write --vary learning-rate=A,B or learning-rate=LOW..HIGH"),
        (["learning-rate="], "gives an empty value"),
        (["learning-rate=1,,2"], "gives an empty value"),
        (["gamma=0.9", "gamma=0.99"], "--gamma is varied already"),
        (["n-rollout=5", "num-steps=10"], "--n-rollout is varied already"),
        (["gamma=0.9,0.90"], "gives a value twice"),
        (["seed=1,2"], "--vary seed: --seeds says how many"),
        (["num-threads=1,2"], "each run of a study has one thread"),
        (["gamma=0.9..0.9"], "is an empty range: write the lower number first"),
        (["gamma=0.99..0.9"], "is an empty range"),
        (["gamma=0.9..nan"], "is an empty range"),
        (["gamma=0.9..x"], "is no range of numbers"),
        (["gamma=0.9..0.95..1"], "is no range of numbers"),
        (["learning-rate=log:0..1"], "a range by logarithm lies above 0"),
        (["num-envs=1..4.5"], "the ends must be whole numbers"),
        (["env-kwargs=gravity"], "is not written as name=value"),
    ],
)
def test_what_cannot_be_varied_is_named(texts, said):
    with pytest.raises(UsageError) as caught:
        parse_variations(texts)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_is_every_combination_the_last_field_changing_first():
    settings = grid({"gamma": (0.9, 0.99), "num_envs": Range(1, 3, False, True)})
    assert [(setting["gamma"], setting["num_envs"]) for setting in settings] == [
        (0.9, 1),
        (0.9, 2),
        (0.9, 3),
        (0.99, 1),
        (0.99, 2),
        (0.99, 3),
    ]
    assert grid({}) == [{}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gamma=0.9..0.99", "--vary gamma gives a range, of which --sample draws: add --sample K"),
        ("num-envs=log:1..64", "of which --sample draws"),
        ("num-envs=1..1000000", "more than 100,000 settings"),
    ],
)
def test_a_grid_of_a_range_that_has_no_end_of_values(text, said):
    with pytest.raises(UsageError, match=said):
        grid(parse_variations([text]))


def test_samples_cover_ranges_evenly():
    """A quarter of the range gets a quarter of the points, which a Sobol sequence does all but exactly."""
    varied = parse_variations(["learning-rate=log:1e-5..1e-1", "gamma=0.9..0.98", "num-envs=1..4"])
    settings = sample(varied, 256, seed=3)
    assert len({repr(setting) for setting in settings}) == 256
    logs = np.log10([setting["learning_rate"] for setting in settings])
    assert np.histogram(logs, 4, (-5, -1))[0] == pytest.approx(64, abs=2)
    assert np.histogram([setting["gamma"] for setting in settings], 4, (0.9, 0.98))[0] == pytest.approx(
        64, abs=2
    )
    assert np.bincount([setting["num_envs"] for setting in settings])[1:] == pytest.approx(64, abs=2)


def test_samples_are_those_of_the_seed_and_can_be_typed():
    varied = parse_variations(["learning-rate=log:1e-5..1e-2"])
    first = sample(varied, 20, seed=1)
    assert sample(varied, 20, seed=1) == first
    assert sample(varied, 20, seed=2) != first
    assert all(float(f"{setting['learning_rate']:.4g}") == setting["learning_rate"] for setting in first)


def test_a_sample_of_lists_has_no_setting_twice_and_may_be_all_of_them():
    varied = parse_variations(["gamma=0.9,0.95,0.99", "num-envs=4,16"])
    settings = sample(varied, 6, seed=1)
    assert sorted(map(repr, settings)) == sorted(map(repr, grid(varied)))
    with pytest.raises(UsageError, match="--sample 7 of 6 settings: ask for fewer"):
        sample(varied, 7, seed=1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999999, math.nextafter(1.0, 0)])
@pytest.mark.parametrize(
    "values",
    [
        Range(0.9, 0.999, False, False),
        Range(1e-5, 1e-2, True, False),
        Range(1, 64, False, True),
        Range(1, 64, True, True),
        Range(1.00004, 1.00006, False, False),  # closer than the digits that are kept
    ],
)
def test_no_number_lies_outside_its_range(values, share):
    assert values.low <= values.at(share) <= values.high


def test_lists_from_python_are_taken_as_they_are_and_text_as_typed():
    varied = variations_of({"gamma": [0.9, 0.99], "num_steps": "5,20", "hidden_sizes": [[64], (64, 64)]})
    assert varied == {"gamma": (0.9, 0.99), "n_rollout": (5, 20), "hidden_sizes": ((64,), (64, 64))}


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        ({"gamma": []}, "--vary gamma gives no values"),
        ({"gamma": [0.9, 0.9]}, "gives a value twice"),
        ({"seed": [1, 2]}, "--seeds says how many"),
        ({"gama": [1]}, "did you mean --gamma?"),
        ({"gamma": 0.9}, "--vary gamma: 0.9 is no list of values"),
    ],
)
def test_lists_that_cannot_be_are_named(varied, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        variations_of(varied)
