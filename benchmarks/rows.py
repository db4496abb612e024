"""The rows of the throughput benchmark: how they are grouped, timed and described."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from environments_alone import cartpole_alone
from notebook import Notebook
from record import summarize
from windows import ENVIRONMENTS, TRAINING
from workloads import CollectingAlone, Training, Workload, measure

from vecac.config import Config

NOTEBOOK = "notebook"
COLLECTING = "collecting alone"

VECTORIZATION_MODES = {"sync": "sync", "async": "async", "vector": "vector_entry_point"}


@dataclass
class Row:
    """One line of the table; `windows` are env steps a second, one a round."""

    what: str
    workload: Workload
    env_id: str
    engine: str | None
    num_envs: int
    device: str
    windows: list[float] = field(default_factory=list)
    learner: str | None = None

    @property
    def name(self) -> str:
        """Unique within a run of the benchmark."""
        if self.what == NOTEBOOK:
            return NOTEBOOK
        slow = "" if self.env_id == Config.env_id else f"{self.env_id.rpartition(':')[2]}, "
        device = "" if self.device == "cpu" else f" on {self.device}"
        learner = " by torch" if self.learner == "torch" and self.device == "cpu" else ""
        threads = f", {self.workload.num_threads} thread(s)" if self.engine == "fused" else ""
        return f"{slow}{self.engine} {self.num_envs}, {self.what}{learner}{device}{threads}"


Group = list[Row]
"""Rows that are compared with each other, and so are timed right after one another in every round."""


def cartpole_group(
    engine: Any, num_envs: int, devices: Sequence[str], notebook: Notebook, stack: ExitStack
) -> Group:
    """The notebook, the environments alone, collecting, and training by every learner on every device.

    Args:
        engine: one of Config's that step Gymnasium's environments.
        num_envs: N.
        devices: of the learner.
        notebook: shared by all groups.
        stack: closes what is made here.
    """
    configs = [Config(engine=engine, num_envs=num_envs, device=device, learner="torch") for device in devices]
    env_id, mode = Config.env_id, VECTORIZATION_MODES[engine]
    alone = stack.enter_context(closing(cartpole_alone(num_envs, mode)))
    group = [
        Row(NOTEBOOK, notebook, env_id, None, 1, "cpu"),
        Row(ENVIRONMENTS, alone, env_id, engine, num_envs, "cpu"),
    ]
    for by_torch in configs:
        timed: list[tuple[str, Any, Config]] = [(COLLECTING, CollectingAlone, by_torch)]
        if by_torch.device == "cpu":
            compiled = replace(by_torch, learner="compiled")
            timed = [(COLLECTING, CollectingAlone, compiled), (TRAINING, Training, compiled)]
        for what, workload, config in (*timed, (TRAINING, Training, by_torch)):
            running = stack.enter_context(closing(workload(config)))
            group.append(Row(what, running, env_id, engine, num_envs, config.device, learner=config.learner))
    return group


def fused_group(num_envs: int, notebook: Notebook, stack: ExitStack) -> Group:
    """The notebook, and the fused engine on one thread and, where it can use more, on all cores."""
    group = [Row(NOTEBOOK, notebook, Config.env_id, None, 1, "cpu")]
    for num_threads in (1, 0):
        config = Config(engine="fused", num_envs=num_envs, num_threads=num_threads, total_timesteps=10**15)
        training = stack.enter_context(closing(Training(config)))
        if num_threads == 1 or training.num_threads > 1:
            group.append(Row(TRAINING, training, Config.env_id, "fused", num_envs, "cpu", learner="compiled"))
    return group


def slow_group(env_id: str, num_envs: int, stack: ExitStack) -> Group:
    """Collecting from a slow environment, in one process and with a worker process for each."""
    group = []
    engines: tuple[Any, ...] = ("sync", "async")
    for engine in engines:
        config = Config(env_id=env_id, engine=engine, num_envs=num_envs, device="cpu", learner="compiled")
        workload = stack.enter_context(closing(CollectingAlone(config)))
        group.append(Row(COLLECTING, workload, env_id, engine, num_envs, "cpu", learner="compiled"))
    return group


def measure_rounds(groups: Sequence[Group], rounds: int, seconds: float, limit: float = math.inf) -> int:
    """Time every row once a round, so that the machine's drift meets them all; round 0 warms up.

    Args:
        groups: what to time; every row gets a window a round.
        rounds: that count.
        seconds: length of a window.
        limit: seconds in all, which a further round is not begun for if it would pass them.

    Returns:
        The rounds that counted: fewer than asked for where the limit is near, at least 1.
    """
    began = time.perf_counter()
    for number in range(rounds + 1):
        round_began = time.perf_counter()
        for group in groups:
            for row in group:
                env_steps_per_s = measure(row.workload, seconds)
                if number > 0:
                    row.windows.append(env_steps_per_s)
        now = time.perf_counter()
        if number > 0 and now - began + (now - round_began) > limit:
            break
    return number


def describe_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Every row as JSON-ready values: the notebook first, with the windows of all groups."""
    rows = [describe_row(row, group) for group in groups for row in group if row.what != NOTEBOOK]
    notebooks = [row for group in groups for row in group if row.what == NOTEBOOK]
    if notebooks:
        together = Row(NOTEBOOK, notebooks[0].workload, Config.env_id, None, 1, "cpu")
        together.windows = [window for row in notebooks for window in row.windows]
        rows.insert(0, describe_row(together, [together]))
    return rows


def describe_row(row: Row, group: Group) -> dict[str, Any]:
    """A row and its ratios to the rows of its group: the median of the ratios within each round."""
    learns = row.what in (COLLECTING, TRAINING)
    notebook = next((other for other in group if other.what == NOTEBOOK), None)
    alone = next((other for other in group if other.what == ENVIRONMENTS and learns), None)
    sync = next((other for other in group if other.engine == "sync" and row.engine == "async"), None)
    same = [other for other in group if other.what == row.what and other is not row]
    by_torch = [other for other in same if other.learner == "torch" and row.learner == "compiled"]
    one_thread = next((other for other in same if other.workload.num_threads == 1), None)
    return {
        "name": row.name,
        "engine": row.engine,
        "learner": row.learner,
        "num_envs": row.num_envs,
        "device": row.device,
        "what": row.what,
        "env_id": row.env_id,
        "num_threads": row.workload.num_threads,
        **(summarize(row.windows) or {}),
        "ratio_to_notebook": _ratio(row, notebook),
        "ratio_to_environments_alone": _ratio(row, alone),
        "ratio_to_sync": _ratio(row, sync),
        "ratio_to_torch": _ratio(row, next(iter(by_torch), None)),
        "ratio_to_one_thread": _ratio(row, one_thread) if row.engine == "fused" else None,
        "windows": row.windows,
        "notebook_windows": notebook.windows if notebook else None,
    }


def _ratio(row: Row, reference: Row | None) -> dict[str, float] | None:
    if reference is None:
        return None
    return summarize([a / b for a, b in zip(row.windows, reference.windows, strict=True)])
