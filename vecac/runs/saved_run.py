"""A run folder read back, to go on with the run.

Whatever loads torch is imported inside the functions: a command that only parses flags need not wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecac.algorithm.schedule import rates_at
from vecac.config import Config, require_fields
from vecac.config_rules import flag, typed
from vecac.errors import UsageError
from vecac.runs.run_folder import read_config, saved_settings, write_json
from vecac.runs.saved_policy import config_of, explained

if TYPE_CHECKING:
    from vecac.runs.run import Run

MAY_CHANGE = (
    *("total_timesteps", "device", "num_threads", "target_return", "quiet"),
    *("eval_episodes", "eval_max_steps", "log_interval", "checkpoint_interval", "step_timeout"),
    *("checkpoint_every", "keep_checkpoints", "video_at_end"),
)
"""What a resumed run may do otherwise. Little of it changes what is learned on the way: a raised total
stretches --anneal-lr; torch rounds otherwise on another device or number of threads; and a policy on another
kind of device draws other random numbers."""

OF_EVALUATION = ("eval_episodes", "eval_max_steps")
"""What must stay while evaluations are compared."""

_OF_THE_START = ("versions", "git_commit", "command_line")


@dataclass(frozen=True)
class SavedRun:
    """A run to go on with.

    config: its settings, with the changes asked for. content: of its last checkpoint. notes: lines on
    what the changes mean.
    """

    run_dir: Path
    config: Config
    content: dict[str, Any]
    notes: Sequence[str]

    def go_on(self, run: "Run", description: Mapping[str, Any]) -> list[str]:
        """Have a run that is made alike go on where this one was; returns lines for the user.

        The folder notes that, and the description: what config.json would say of a new run.

        Raises:
            UsageError: the checkpoint is of another network, engine or run, and the folder is as it was; or
                it cannot be written to.
        """
        try:
            with explained(self.run_dir / "checkpoints" / "latest.pt"):
                changes = run.load_state_dict(self.content)
            return [*self.notes, *changes, *self._note_resumption(run.engine.env_steps, description)]
        except OSError as error:
            raise UsageError(f"--resume {self.run_dir} cannot be written to: {error.strerror}") from error

    def _note_resumption(self, env_steps: int, description: Mapping[str, Any]) -> list[str]:
        first = read_config(self.run_dir)
        kept = {name: first.get(name) for name in _OF_THE_START}
        resumed = {"env_steps": env_steps, **{name: description[name] for name in _OF_THE_START}}
        before = first.get("resumptions")
        resumptions = [*(before if isinstance(before, list) else []), resumed]
        write_json(self.run_dir / "config.json", {**description, **kept, "resumptions": resumptions})
        (self.run_dir / "result.json").unlink(missing_ok=True)
        if kept["versions"] != resumed["versions"]:
            return ["packages have changed since the run was started: its numbers may differ (config.json)"]
        return []


def config_to_go_on_with(run_dir: Path) -> Config:
    """The settings in a run folder's config.json, but for --quiet, which holds for one command.

    Raises:
        UsageError: there is none, or its settings are not valid.
    """
    return Config(**{**saved_settings(run_dir), "quiet": False})


def saved_run(run_dir: Path, changes: Mapping[str, Any]) -> SavedRun:
    """The run in a folder, with some settings that are to be otherwise; what is as saved is no change.

    Raises:
        UsageError: it cannot be read, or a setting is changed that must stay as it is.
    """
    from vecac.recording import checkpoint

    require_fields(changes)
    saved = config_to_go_on_with(run_dir)
    changes = _changes(changes, saved)
    path = run_dir / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    if "engine" not in content or "run" not in content:
        raise UsageError(
            f"checkpoint {path} can be evaluated, but not resumed: use one that is called latest.pt"
        )
    of_checkpoint = config_of(path, content)
    for name in Config.__dataclass_fields__:
        of_folder = getattr(saved, name)
        if name not in MAY_CHANGE and getattr(of_checkpoint, name) != of_folder:
            raise UsageError(
                f"checkpoint {path} is of {flag(name)} {getattr(of_checkpoint, name)}, but the run folder's "
                f"config.json says {of_folder}: put the run's own files back"
            )
    for name in OF_EVALUATION:
        if saved.eval_interval and name in changes:
            given = typed(name, changes[name])
            raise UsageError(f"{given} would make --eval-interval compare unlike evaluations: leave it out")
    changed = replace(saved, **changes)
    if changed.total_timesteps < saved.total_timesteps:
        raise UsageError(
            f"--total-timesteps {changed.total_timesteps} is less than the run's {saved.total_timesteps}: "
            "it can only be raised"
        )
    return SavedRun(run_dir, changed, content, _notes(saved, changed, content))


def _changes(wanted: Mapping[str, Any], saved: Config) -> dict[str, Any]:
    """Those of the wanted settings that differ from the saved ones."""
    changes = {}
    for name, value in wanted.items():
        before = getattr(saved, name)
        as_saved = value == before or (value == "auto" and name in ("engine", "learner", "device"))
        if as_saved or (name == "log_interval" and value == 0):
            continue
        if name not in MAY_CHANGE:
            raise UsageError(
                f"{typed(name, value)} is not what the run was started with ({before}): leave it "
                "out, or start a new run"
            )
        changes[name] = value
    return changes


def _notes(saved: Config, changed: Config, content: Mapping[str, Any]) -> list[str]:
    env_steps, total = content["env_steps"], changed.total_timesteps
    notes = [f"going on at {env_steps:,} of {total:,} env steps"]
    if changed.anneals_lr and total != saved.total_timesteps:
        before, now = (
            rates_at(config, min(env_steps, config.total_timesteps)) for config in (saved, changed)
        )
        notes.append(
            f"the learning rate now falls to {changed.lr_final:g} at {total:,} env steps, so it goes on at "
            f"{now.learning_rate:.3g} instead of {before.learning_rate:.3g}"
        )
    if env_steps >= total:
        notes.append("nothing is left to train: raise --total-timesteps to go on; evaluating again")
    return notes
