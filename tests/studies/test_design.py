"""Designs: which settings there are, which are refused, and how they are kept."""

import json

import pytest

from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.design import Design, make_design
from vecac.studies.variation import parse_variations

BASE = Config(engine="auto", total_timesteps=5000)


def design(*vary, base=BASE, seeds=3, **options):
    return make_design(base, parse_variations(vary), seeds, **options)


def test_a_run_has_the_base_its_setting_and_its_seed_on_one_thread():
    made = design("gamma=0.9,0.99", "num-envs=4,8", base=Config(engine="auto", seed=7, ent_coef=0.01))
    assert len(made.settings) == 4
    assert list(made.seeds_of(3)) == [7, 8, 9]
    config = made.config(3, 8)
    assert config == Config(engine="auto", seed=8, ent_coef=0.01, gamma=0.99, num_envs=4, num_threads=1)
    assert made.varied == ("gamma", "num_envs")
    assert made.describe(3) == "--gamma 0.99 --num-envs 4"


def test_nothing_varied_is_one_setting():
    made = design()
    assert made.settings == ({},)
    assert made.config(1, 2) == Config(engine="auto", total_timesteps=5000, seed=2, num_threads=1)
    assert made.describe(1) == "the settings given"
    assert made.threshold == 475.0


@pytest.mark.parametrize(
    ("vary", "options", "said"),
    [
        (["gamma=0.9,1.5"], {}, r"setting 2 \(--gamma 1.5\): --gamma must be between 0 and 1"),
        (["learning-rate=fast"], {}, r"setting 1 \(--learning-rate fast\): --learning-rate must be a number"),
        (["optimizer=adam,sgd"], {}, "setting 2 .*must be one of adam, rmsprop"),
        (
            ["num-envs=4,16", "n-rollout=10,9000000"],
            {},
            "setting 2 .*--num-envs times --n-rollout|--n-rollout must",
        ),
        (["gamma=0.9"], {"base": Config(gamma=0.95)}, "--gamma 0.95 is varied too: leave one of both out"),
        ([], {"base": Config(num_threads=2)}, "--num-threads 2 does nothing in a study"),
        ([], {"base": Config(log_interval=100)}, "--log-interval 100 does nothing in a study"),
        ([], {"base": Config(checkpoint_interval=1.0)}, "--checkpoint-interval 1.0 does nothing in a study"),
        ([], {"seeds": 0}, "--seeds must be between 1 and"),
        ([], {"base": Config(seed=2**63 - 2), "seeds": 5}, "--seeds must be between"),
        ([], {"sample_size": 4}, "--sample 4 draws settings, at least 1, from --vary: add that"),
        (["gamma=0.9..0.99"], {"sample_size": 0}, "--sample 0 draws settings"),
        ([], {"until_ci": 0.0}, "--until-ci must be greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(vary, options, said):
    with pytest.raises(UsageError, match=said):
        design(*vary, **options)


def test_a_thread_may_be_asked_for():
    assert design(base=Config(num_threads=1)).config(1, 1).num_threads == 1


@pytest.mark.parametrize(
    ("vary", "options"),
    [
        ([], {}),
        (["hidden-sizes=64,64 64", "max-grad-norm=none,0.5"], {}),
        (["env-kwargs=a=1|a=[1,2] b='x'", "wrapper=a:B,size=4|c:D"], {"until_ci": 0.05}),
        (["learning-rate=log:1e-5..1e-2"], {"sample_size": 5}),
    ],
)
def test_it_comes_back_from_json_as_it_was(vary, options):
    made = design(*vary, **options)
    again = Design.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert [again.config(1, 5), again.varied] == [made.config(1, 5), made.varied]
