"""The scripts of docs/trackers.md, each run as it stands but shorter, against a tracker on this machine."""

import json
import math
import re
from importlib.util import find_spec

import pytest
from documents import ROOT
from support import read_csv, run

PAGE = (ROOT / "docs/trackers.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHORT = "Config(total_timesteps=1600, log_interval=400, num_envs=4, learner='torch', eval_episodes=1)"
SECONDS = 240
"""MLflow makes its tables, which takes its time on a machine that is busy."""

OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
}

READ_MLFLOW = """
client = mlflow.MlflowClient()
(kept,) = client.search_runs([mlflow.get_experiment_by_name("vecac").experiment_id])
rows = {tag: [[m.step, m.value] for m in client.get_metric_history(kept.info.run_id, tag)]
        for tag in kept.data.metrics}
settings = kept.data.params["num_envs"]
assert "checkpoints" in [file.path for file in client.list_artifacts(kept.info.run_id)]
"""

# Records in blocks, as in LevelDB's log: checksum, length and part (whole, first, middle, last) before each.
READ_WANDB = """
import json, pathlib, struct
from wandb.proto import wandb_internal_pb2

wandb.teardown()  # the process that writes the file may not be done
(path,) = pathlib.Path("wandb").glob("offline-run-*/*.wandb")
data, at, record, rows, settings, solved = path.read_bytes(), 7, b"", {}, None, None
while at + 7 <= len(data):
    left = 32768 - at % 32768
    if left < 7:
        at += left
        continue
    _, length, part = struct.unpack_from("<IHB", data, at)
    record += data[at + 7 : at + 7 + length]
    at += 7 + length
    if part not in (1, 4):
        continue
    said, record = wandb_internal_pb2.Record.FromString(record), b""
    for item in said.history.item:
        tag = item.key or ".".join(item.nested_key)
        if not tag.startswith("_"):
            rows.setdefault(tag, []).append([said.history.step.num, float(json.loads(item.value_json))])
    for item in said.run.config.update:
        settings = item.value_json if item.key == "num_envs" else settings
    for item in said.summary.update:
        solved = item.value_json if item.key == "stop_reason" else solved
assert solved == '"finished"'
"""

READ_TRACKIO = """
from trackio.sqlite_storage import SQLiteStorage

(kept,) = trackio.Api().runs(PROJECT)
rows = {}
for row in SQLiteStorage.get_logs(PROJECT, kept.name):
    for tag in row.keys() - {"timestamp", "step"}:
        rows.setdefault(tag, []).append([row["step"], float(row[tag])])
settings = (kept.config or {"num_envs": None})["num_envs"]
"""


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A folder to track in, and an environment in which nobody else is told."""
    for name, value in {**OFFLINE, "TRACKIO_DIR": str(tmp_path / "trackio")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def needs(*packages):
    """Skip a test where one of them is missing; to import them here would take seconds."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def tracked(code, read):
    """Run a script, and then what reads back what it left: the rows by tag, and the setting num_envs."""
    told = "\nimport json\nprint('told', json.dumps([rows, settings]))"
    status, stdout, stderr = run("-c", f"{code}\n{read}{told}", seconds=SECONDS)
    assert status == 0, stderr
    return json.loads(re.findall(r"^told (.*)$", stdout, re.MULTILINE)[-1])


def assert_all_rows_arrived(rows, run_dir):
    logged = read_csv(run_dir)
    assert len(logged) == 4
    for tag in logged[0]:
        expected = [(int(row["time/total_timesteps"]), float(row[tag])) for row in logged if row[tag]]
        steps, values = zip(*expected, strict=True)
        arrived = sorted((step, value) for step, value in rows[tag] if math.isfinite(value))
        assert tuple(step for step, _ in arrived) == steps
        assert [value for _, value in arrived] == pytest.approx(values, rel=1e-6), tag


@pytest.mark.parametrize(
    ("name", "read"), [("wandb", READ_WANDB), ("mlflow", READ_MLFLOW), ("trackio", READ_TRACKIO)]
)
def test_a_tracker_gets_every_row_and_the_settings(offline, name, read):
    needs(name, *(["sqlalchemy"] if name == "mlflow" else []))  # which mlflow-skinny comes without
    (code,) = [block for block in BLOCKS if f"import {name}\n" in block and "train(" in block]
    assert code.count("Config(total_timesteps=200_000)") == 1
    code = code.replace("Config(total_timesteps=200_000)", SHORT)
    rows, settings = tracked(code, read.replace("PROJECT", "'vecac'"))
    (run_dir,) = (offline / "logs").iterdir()
    assert_all_rows_arrived(rows, run_dir)
    assert str(settings) == "4"


def test_trackio_takes_the_event_files_of_runs_that_have_ended(offline):
    needs("trackio", "tbparse")
    (code,) = [block for block in BLOCKS if "import_tf_events" in block]
    train = f"from vecac.config import Config\nfrom vecac.train import train\ntrain({SHORT})"
    assert run("-c", train, seconds=SECONDS)[0] == 0
    rows, _ = tracked(code, read=READ_TRACKIO.replace("PROJECT", "'vecac-runs'"))
    (run_dir,) = (offline / "logs").iterdir()
    assert_all_rows_arrived(rows, run_dir)


def test_every_script_of_the_page_is_run_here():
    assert len(BLOCKS) == 4
