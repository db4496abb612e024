"""A Run whose engine and clock do what they are told."""

import json
import sys
from types import SimpleNamespace

import torch
from support import read_csv

from vecac.algorithm.network import ActorCritic
from vecac.algorithm.td import LossTerms
from vecac.config import Config
from vecac.engines.contracts import Report
from vecac.engines.evaluation import Evaluation
from vecac.learners.rollout_loss import BlockReport
from vecac.learners.torch_learner import UpdateReport
from vecac.recording import checkpoint, clock
from vecac.runs.run import Run
from vecac.transition import Episode

EVALUATIONS = {
    "greedy": Evaluation([1.0, 3.0], [10, 30]),  # mean 2, standard deviation 1
    "sampled": Evaluation([0.0, 8.0], [5, 15]),  # mean 4, standard deviation 4
}


def update_report(loss, grad_norm=0.25):
    terms = LossTerms(*torch.tensor([loss, 2.0, 3.0, 0.5]))
    # Var[target - V] = 1 and Var[target] = 4, so the explained variance is 0.75.
    values, targets = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 4.0])
    return UpdateReport([BlockReport(terms, 1.0, values, targets)], torch.tensor(grad_norm), 1e-3)


class ScriptedEngine:
    def __init__(self):
        self.network = ActorCritic(4, 2, hidden_size=4)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.env_steps = self.updates = 0
        self.rollout = None

    def policy_state(self):
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "env_steps": self.env_steps,
            "updates": self.updates,
        }

    def state_dict(self):
        return {**self.policy_state(), "engine": {"at": self.env_steps}}

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.env_steps, self.updates = state["env_steps"], state["updates"]
        return []

    def caveats(self):
        return []

    def last_rollout(self):
        return self.rollout

    def largest_reward(self):
        return 1.0


def warn(text):
    print(f"warning: {text}", file=sys.stderr)


class ScriptedRun:
    """A recorder with an engine that does what it is told, and a clock that stands still by itself."""

    def __init__(self, folder, monkeypatch, content=None, **settings):
        self.now = 50.0
        monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: self.now))
        self.dir = folder
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        self.engine = ScriptedEngine()
        defaults = {"total_timesteps": 1000, "log_interval": 100, "device": "cuda", "learner": "torch"}
        config = Config(**defaults | settings)
        self.recorder = Run(config, folder, self.engine, "cpu", warn)
        if content is not None:
            self.recorder.load_state_dict(content)
        self.recorder.recorder.writer.flush()

    def update(self, env_steps, returns=(), seconds=1.0, loss=None, grad_norm=0.25, **report):
        """The engine makes an update that brings it to env_steps and finishes episodes."""
        self.now += seconds
        self.engine.env_steps = env_steps
        self.engine.updates += 1
        with torch.no_grad():
            self.engine.network.fc_v.bias.fill_(env_steps)  # marks the parameters
        episodes = [Episode(env_steps, float(number), 7, 0) for number in returns]
        loss = float(env_steps) if loss is None else loss
        self.recorder.record(Report(episodes, update_report(loss, grad_norm), **report))
        self.recorder.save_if_due()

    def break_parameters(self):
        with torch.no_grad():
            self.engine.network.fc1.weight[0, 0] = torch.nan

    def finish(self, *arguments, **more):
        self.now += 1.0
        self.result = self.recorder.finish(*arguments, **more)
        return json.loads((self.dir / "result.json").read_text())

    def rows(self):
        if not hasattr(self, "result"):
            self.recorder.recorder.writer._save_pending()
        return read_csv(self.dir)

    def rows_at(self):
        return [int(row["time/total_timesteps"]) for row in self.rows()]

    def load(self, name="latest"):
        return checkpoint.load(self.dir / "checkpoints" / f"{name}.pt")

    def saved(self, name):
        """env_steps of a checkpoint, after a check that its parameters are of the same moment."""
        if name == "best":
            self.recorder.recorder.writer._save_pending()
        content = self.load(name)
        assert content["network"]["fc_v.bias"].item() == content["env_steps"]
        return content["env_steps"]

    def has(self, name):
        return (self.dir / "checkpoints" / f"{name}.pt").exists()
