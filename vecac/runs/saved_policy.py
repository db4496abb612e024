"""A policy read back from a run's checkpoint: to play, to export, or to begin another run with.

Whatever loads torch is imported inside the functions, as in saved_run.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecac.config import Config
from vecac.config_parts import NetworkSettings
from vecac.config_rules import typed
from vecac.engines.device_faults import device_error
from vecac.errors import EnvironmentFault, UsageError
from vecac.runs.run_folder import read_config

if TYPE_CHECKING:
    from vecac.algorithm.network import Network, NetworkSpec


@dataclass(frozen=True)
class SavedPolicy:
    """What a checkpoint holds of a policy: the run's config, the network on the CPU, and all else."""

    path: Path
    config: Config
    network: "Network"
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """By which `find_checkpoint` finds it: best, latest, or the env steps that it was kept at."""
        return self.path.stem

    @property
    def network_settings(self) -> dict[str, Any]:
        """The settings that its network was made by."""
        spec = self.network.spec
        return {field.name: getattr(spec, field.name) for field in fields(NetworkSettings)}


def find_checkpoint(run: Path, name: str | int | None = None) -> Path:
    """The file of a checkpoint by the folder of its run.

    Args:
        run: the folder; or the file itself, and no name.
        name: best, latest, or the env steps at which one was kept; None is best if there is one, else latest.

    Raises:
        UsageError: there is none of this name, and which there are; or no run.
    """
    try:
        is_file = run.is_file()
    except OSError as error:  # the name is too long, for one
        raise UsageError(f"{run}: {error.strerror}; name a run folder that vecac.train printed") from error
    if is_file:
        if name is not None:
            raise UsageError(f"{run} is a checkpoint already: leave --checkpoint {name} out")
        return run
    from vecac.recording.kept import kept_checkpoints

    read_config(run)  # refuses what is no run folder
    folder = run / "checkpoints"
    if name is None:
        name = "best" if (folder / "best.pt").exists() else "latest"
    stem, kept = str(name).removesuffix(".pt"), kept_checkpoints(folder)
    path = folder / f"{stem}.pt"
    if stem == "best" and not path.exists() and (folder / "latest.pt").exists():
        raise UsageError(
            f"{run} has no best checkpoint yet: it takes 100 episodes, or an evaluation while it trains; use "
            "--checkpoint latest"
        )
    if stem not in ("best", "latest", *map(str, kept)):
        there = [known for known in ("best", "latest") if (folder / f"{known}.pt").exists()]
        there += map(str, kept)
        raise UsageError(f"{run} has no checkpoint {name}: use {', '.join(there) or 'another run'}")
    return path


def load_policy(run: Path, name: str | int | None = None) -> SavedPolicy:
    """The policy in a checkpoint, which is named as for `find_checkpoint`.

    Raises:
        UsageError: the folder is not a run's, or the checkpoint is missing, damaged, or of another
            environment than config.json names.
    """
    from vecac.algorithm.network import empty_network
    from vecac.recording import checkpoint

    path = find_checkpoint(run, name)
    content = checkpoint.load(path)
    config = config_of(path, content)
    with explained(path):
        network = empty_network(_spec_of(config, content))
        network.load_state_dict(content["network"])
    if not network.is_finite():
        raise UsageError(f"checkpoint {path} holds parameters that are not finite: use another of the run")
    if run.is_dir() and config.env_id != (env_id := read_config(run)["env_id"]):
        raise UsageError(
            f"checkpoint {path} is of {config.env_id}, but the run folder's config.json names "
            f"{env_id}: put the run's own checkpoint back"
        )
    return SavedPolicy(path, config, network, content)


def require_network(saved: SavedPolicy, wanted: Mapping[str, Any]) -> None:
    """Refuse, with a UsageError, settings of a network that are not those of a policy to begin with."""
    for name, known in saved.network_settings.items():
        if wanted[name] != known:
            raise UsageError(
                f"{typed(name, wanted[name])} is not what the network of --init-from {saved.path} has "
                f"({typed(name, known)}): leave it out"
            )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever a checkpoint of other content leads to into one line."""
    try:
        yield
    except EnvironmentFault:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        if device_error(error) is not None:  # it is not the checkpoint's fault
            raise
        raise UsageError(f"checkpoint {path} does not fit this vecac: {error}") from error


def config_of(path: Path, content: Mapping[str, Any]) -> Config:
    """The config in a checkpoint; an earlier version had `resume` in it."""
    with explained(path):
        return Config(**{name: value for name, value in content["config"].items() if name != "resume"})


def _spec_of(config: Config, content: Mapping[str, Any]) -> "NetworkSpec":
    """What a checkpoint's network is built from; of format 1, by the config and the environment."""
    from vecac.algorithm.network import NetworkSpec, network_spec
    from vecac.engines.capabilities import Wish

    if content["format_version"] == 1:
        return network_spec(config, *Wish(config).form)
    spec = NetworkSpec.from_dict(content["network_spec"])
    try:
        Config(**{field.name: getattr(spec, field.name) for field in fields(NetworkSettings)})
    except UsageError as error:
        raise ValueError(f"its network cannot be built: {error}") from error
    return spec
