import logging
import warnings

import pytest

from vecac.config import Config
from vecac.exports.formats import FORMATS
from vecac.exports.playable import PlayablePolicy
from vecac.runs.saved_policy import load_policy
from vecac.train import train


@pytest.mark.parametrize("suffix", FORMATS)
def test_writing_says_nothing_and_leaves_logging_alone(suffix, tmp_path, capfd):
    settings = {"total_timesteps": 80, "num_envs": 2, "eval_episodes": 0, "quiet": True}
    run_dir = train(Config(**settings, log_dir=str(tmp_path))).run_dir
    policy, level = PlayablePolicy(load_policy(run_dir)), logging.root.manager.disable
    with warnings.catch_warnings(action="error"):
        data = FORMATS[suffix].write(policy)
        FORMATS[suffix].play(data)
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == level
