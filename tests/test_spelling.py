import difflib

import pytest

from vecac.config import Config
from vecac.spelling import SYNONYMS, nearest

FIELDS = list(Config.__dataclass_fields__)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learning_rat", "learning_rate"),
        ("LEARNING_RATE", "learning_rate"),
        ("total_time_steps", "total_timesteps"),
        ("logdir", "log_dir"),
        ("lr", "learning_rate"),
        ("env", "env_id"),
        ("n_envs", "num_envs"),
        ("quux", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_a_synonym_or_a_near_miss(typed, meant):
    assert nearest(typed, FIELDS) == meant


def test_a_synonym_counts_only_where_there_is_such_a_name():
    assert nearest("lr", ["gamma", "seed"]) is None
    assert nearest("env", ["envs"]) == "envs"


@pytest.mark.parametrize("typed", SYNONYMS)
def test_a_synonym_names_a_field_that_spelling_alone_does_not_find(typed):
    assert SYNONYMS[typed] in FIELDS
    assert difflib.get_close_matches(typed, FIELDS, n=1) != [SYNONYMS[typed]]
