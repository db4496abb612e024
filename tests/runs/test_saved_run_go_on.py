"""A saved run, put into an engine or a network."""

import json
import math
from contextlib import closing
from dataclasses import replace

import pytest
import torch
from support import SMALL

from vecac.config import Config
from vecac.engines.selection import make_engine
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.run import Run
from vecac.runs.run_folder import describe_run, write_json
from vecac.runs.saved_policy import load_policy
from vecac.runs.saved_run import saved_run

SETTINGS = {"num_envs": 2, "learner": "torch", "num_threads": 1, "quiet": True, **SMALL}

RUN = {  # what a recorder has to say, of a run after 3 episodes
    "statistics": {"episodes": 3, "returns": [20.0, 30.0, 40.0], "lengths": [20, 30, 40]},
    "train_metrics": {"train/loss": 0.5, "train/grad_norm": math.nan},
    "solved": (None, None),
    "best_mean": -math.inf,
    "clock": {
        "seconds": 2.5,
        "row_seconds": 0.5,
        "row_env_steps": 60,
        "collect_seconds": 0.25,
        "learn_seconds": 0.125,
    },
    "log": {"rows": 1, "events": "events.out.tfevents.1", "events_size": 100},
}


def engine_of(config):
    return closing(make_engine(config, torch.device("cpu"), 1))


@pytest.fixture(params=["sync", "fused"])
def run_dir(request, tmp_path):
    """The folder of a run of 3 updates that failed."""
    learner = "compiled" if request.param == "fused" else "torch"
    config = Config(**SETTINGS | {"engine": request.param, "learner": learner})
    (tmp_path / "checkpoints").mkdir()
    description = describe_run(config, "cpu")
    description |= {"git_commit": "the first", "command_line": ["train.py", "--quiet"]}
    write_json(tmp_path / "config.json", description)
    write_json(tmp_path / "result.json", {"stop_reason": "failed"})
    with engine_of(config) as engine:
        engine.reset()
        while engine.updates < 3:
            engine.iterate(3 - engine.updates)
        content = {"config": config.to_dict(), **engine.state_dict(), "run": RUN}
        checkpoint.save(tmp_path / "checkpoints" / "latest.pt", content)
    return tmp_path


def rewrite(run_dir, **changes):
    path = run_dir / "checkpoints" / "latest.pt"
    checkpoint.save(path, checkpoint.load(path) | changes)


def go_on(saved, engine, description):
    """As a command does it; returns the lines for the user."""
    return saved.go_on(Run(saved.config, saved.run_dir, engine, "cpu", print), description)


def description_of(saved, **changes):
    return describe_run(saved.config, "cpu") | changes


def test_an_engine_takes_over_what_was_saved(run_dir):
    saved = saved_run(run_dir, {"total_timesteps": 2_000_000})
    with engine_of(saved.config) as engine:
        before = engine.network.fc1.weight.clone()
        notes = go_on(saved, engine, description_of(saved))
        assert (engine.env_steps, engine.updates) == (saved.content["env_steps"], 3)
        assert torch.equal(engine.network.fc1.weight, saved.content["network"]["fc1.weight"])
        assert not torch.equal(engine.network.fc1.weight, before)
    assert notes == [f"going on at {saved.content['env_steps']} of 2,000,000 env steps"]


def test_the_folder_tells_of_each_resumption_and_of_no_result(run_dir):
    first = json.loads((run_dir / "config.json").read_text())
    totals = (2_000_000, 3_000_000)
    for index, total in enumerate(totals):
        saved = saved_run(run_dir, {"total_timesteps": total})
        changes = {"git_commit": f"number {index}", "command_line": ["train.py", "--resume", str(index)]}
        with engine_of(saved.config) as engine:
            go_on(saved, engine, description_of(saved, **changes))
        assert not (run_dir / "result.json").exists()
    written = json.loads((run_dir / "config.json").read_text())
    resumptions = written.pop("resumptions")
    assert written == first | {"total_timesteps": 3_000_000, "quiet": False}
    assert resumptions == [
        {
            "env_steps": saved.content["env_steps"],
            "versions": first["versions"],
            "git_commit": f"number {index}",
            "command_line": ["train.py", "--resume", str(index)],
        }
        for index in range(2)
    ]


def test_other_packages_are_noted(run_dir):
    saved = saved_run(run_dir, {})
    versions = description_of(saved)["versions"] | {"torch": "1.0"}
    with engine_of(saved.config) as engine:
        notes = go_on(saved, engine, description_of(saved, versions=versions))
    assert notes[1:] == [
        "packages have changed since the run was started: its numbers may differ (config.json)"
    ]
    written = json.loads((run_dir / "config.json").read_text())
    assert written["versions"] != versions
    assert written["resumptions"][0]["versions"] == versions


def wider(content):
    network = content["network"] | {"fc1.weight": torch.zeros(4, 5)}
    return {"network": network}


def with_parameters_that_are_not_finite(content):
    content["network"]["fc_pi.bias"][0] = torch.inf
    return {"network": content["network"]}


def without_a_moment(content):
    state = {index: moments for index, moments in content["optimizer"]["state"].items() if index != 2}
    return {"optimizer": content["optimizer"] | {"state": state}}


def with_a_moment_of_another_shape(content):
    state = content["optimizer"]["state"]
    state[2]["exp_avg"] = torch.zeros(7, 7)
    return {"optimizer": content["optimizer"] | {"state": state}}


@pytest.mark.parametrize(
    "damage",
    [
        wider,
        without_a_moment,
        with_a_moment_of_another_shape,
        with_parameters_that_are_not_finite,
        lambda content: {"network": None},
        lambda content: {"optimizer": {}},
        lambda content: {"engine": 5},
        lambda content: {"engine": {}},
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(run_dir, damage):
    rewrite(run_dir, **damage(checkpoint.load(run_dir / "checkpoints" / "latest.pt")))
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    saved = saved_run(run_dir, {})
    path = run_dir / "checkpoints" / "latest.pt"
    with (
        engine_of(saved.config) as engine,
        pytest.raises(UsageError, match=f"^checkpoint {path} does not fit this vecac: "),
    ):
        go_on(saved, engine, description_of(saved))
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


def assert_refused(run_dir, run):
    rewrite(run_dir, run=run)
    saved = saved_run(run_dir, {})
    with (
        engine_of(saved.config) as engine,
        pytest.raises(UsageError, match=r"latest\.pt does not fit this vecac: run"),
    ):
        go_on(saved, engine, description_of(saved))


def without(name):
    return {key: value for key, value in RUN.items() if key != name}


@pytest.mark.parametrize("run_dir", ["sync"], indirect=True)
@pytest.mark.parametrize(
    "run",
    [
        5,
        {},
        *(without(name) for name in RUN),
        RUN | {"of_the_future": 1},
        RUN | {"statistics": RUN["statistics"] | {"returns": ["20", 30.0, 40.0]}},
        RUN | {"statistics": RUN["statistics"] | {"lengths": None}},
        RUN | {"statistics": RUN["statistics"] | {"episodes": True}},
        RUN | {"train_metrics": {"train/joy": 1.0}},
        RUN | {"train_metrics": {"train/loss": "low"}},
        RUN | {"solved": None},
        RUN | {"solved": (5,)},
        RUN | {"solved": ("never", None)},
        RUN | {"best_mean": None},
        RUN | {"clock": RUN["clock"] | {"row_env_steps": 0.5}},
        RUN | {"clock": RUN["clock"] | {"row_env_steps": -1}},
        RUN | {"clock": RUN["clock"] | {"seconds": None}},
        RUN | {"log": None},
        RUN | {"log": RUN["log"] | {"events": 5}},
        RUN | {"log": RUN["log"] | {"rows": -1}},
        RUN | {"log": RUN["log"] | {"events_size": -1}},
    ],
)
def test_a_recorders_state_that_is_none_is_refused_before_the_run_goes_on(run_dir, run):
    assert_refused(run_dir, run)
    assert (run_dir / "result.json").exists()


@pytest.mark.parametrize("run_dir", ["sync"], indirect=True)
def test_a_run_that_is_refused_leaves_a_damaged_best_where_it_is(run_dir):
    (run_dir / "checkpoints" / "best.pt").write_bytes(b"nothing")
    assert_refused(run_dir, RUN | {"best_mean": 3.5, "log": None})
    assert (run_dir / "checkpoints" / "best.pt").read_bytes() == b"nothing"


@pytest.mark.parametrize("run", [None, RUN | {"solved": (40, 1.5), "train_metrics": {}, "best_mean": 3.5}])
def test_a_recorders_state_may_be_that_of_a_new_run_or_of_a_solved_one(run_dir, run):
    rewrite(run_dir, run=run)
    saved = saved_run(run_dir, {})
    with engine_of(saved.config) as engine:
        assert len(go_on(saved, engine, description_of(saved))) == 1
    assert saved.content["run"] == run


@pytest.mark.parametrize("run_dir", ["sync"], indirect=True)
@pytest.mark.parametrize("name", ["progress.csv", "config.json.tmp"])  # read first, written first
def test_a_folder_that_cannot_be_written_to_is_refused(run_dir, name):
    saved = saved_run(run_dir, {})
    (run_dir / name).mkdir()
    reason = f"^--resume {run_dir} cannot be written to: Is a directory$"
    with engine_of(saved.config) as engine, pytest.raises(UsageError, match=reason):
        go_on(saved, engine, description_of(saved))
    assert (run_dir / "result.json").exists()


def test_a_policy_is_read_back(run_dir):
    saved = load_policy(run_dir, "latest")
    config, network, content = saved.config, saved.network, saved.content
    assert replace(config, quiet=False) == saved_run(run_dir, {}).config
    assert content["updates"] == 3
    saved = content["network"]
    assert saved.keys() == network.state_dict().keys()
    assert all(torch.equal(weights, saved[name]) for name, weights in network.state_dict().items())


def test_a_policy_that_is_not_finite_is_refused(run_dir):
    network = checkpoint.load(run_dir / "checkpoints" / "latest.pt")["network"]
    network["fc_pi.bias"][0] = torch.nan
    rewrite(run_dir, network=network)
    with pytest.raises(UsageError, match=r"latest\.pt holds parameters that are not finite: use another"):
        load_policy(run_dir, "latest")
