"""A study on a real Ray cluster of two nodes on this machine, one of which dies in the middle of it."""

import json
import signal

import pytest
from study_support import without_times
from support import run

from vecac.errors import UsageError

pytest.importorskip("ray", reason="the extra cluster is not installed")
pytestmark = pytest.mark.linux

FLAGS = (
    "--total-timesteps",
    "150000",
    "--eval-episodes",
    "5",
    "--seeds",
    "8",
    "--vary",
    "learning-rate=1e-3,3e-3",
)
SCRIPT = """
import json, sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster
from vecac.study import main

def kill_a_node(cluster, node, logs):
    while not any(file.read_text().count("finished") >= 3 for file in logs.glob("study__*/runs.csv")):
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)
    killed.append(True)

if __name__ == "__main__":
    logs, killed = Path(sys.argv[1]), []
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    killer = threading.Thread(target=kill_a_node, args=(cluster, node, logs))
    killer.start()
    code = main([*sys.argv[2:], "--log-dir", str(logs), "--cluster", cluster.address])
    killer.join()
    cluster.shutdown()
    print(json.dumps({"code": code, "killed": killed}))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "on_a_cluster.py"
    path.write_text(SCRIPT)
    return path


def test_a_node_that_dies_has_its_runs_done_elsewhere_and_the_tables_are_the_same(script, tmp_path):
    (tmp_path / "cluster").mkdir()
    code, stdout, _ = run(script, tmp_path / "cluster", *FLAGS, seconds=300)
    assert code == 0
    assert json.loads(stdout.splitlines()[-1]) == {"code": 0, "killed": [True]}
    code, _, stderr = run(
        "-m", "vecac.study", *FLAGS, "--log-dir", tmp_path / "here", "--workers", "1", seconds=300
    )
    assert (code, stderr) == (0, "")
    (there,), (here,) = (tmp_path / "cluster").iterdir(), (tmp_path / "here").iterdir()
    assert without_times(there) == without_times(here)


def test_a_cluster_that_there_is_not_is_named():
    from vecac.studies.cluster import ClusterWorkers

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(UsageError, match=r"--cluster 127.0.0.1:1 is no Ray cluster that can be reached"):
        ClusterWorkers("127.0.0.1:1")
    assert signal.getsignal(signal.SIGTERM) is before
