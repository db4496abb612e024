"""What a new run begins with in place of its seed's network: a saved policy."""

from dataclasses import fields, replace
from pathlib import Path

from vecac.config import Config
from vecac.config_parts import NetworkSettings
from vecac.engines.contracts import Engine
from vecac.errors import UsageError
from vecac.runs.saved_policy import SavedPolicy, explained, load_policy, require_network


def first_policy(config: Config) -> tuple[Config, SavedPolicy | None]:
    """The policy that config's init_from names, if it does, and config with the settings of its network.

    A setting of the network that is the default passes for one that was left out.

    Raises:
        UsageError: there is no such policy, or config wants another network or, for its moments, optimiser.
    """
    if config.init_from is None:
        return config, None
    saved = load_policy(Path(config.init_from))
    network = saved.network_settings
    defaults = {field.name: field.default for field in fields(NetworkSettings)}
    given = {name: value for name in network if (value := getattr(config, name)) != defaults[name]}
    require_network(saved, {**network, **given})
    if config.init_optimizer and config.optimizer != saved.config.optimizer:
        raise UsageError(
            f"--init-optimizer: {config.init_from} was trained by {saved.config.optimizer}; add --optimizer "
            f"{saved.config.optimizer}, or leave --init-optimizer out"
        )
    return replace(config, **network), saved


def begin_with(saved: SavedPolicy, config: Config, engine: Engine) -> str:
    """Have a new engine begin with a policy; returns a line for the user.

    Raises:
        UsageError: the engine's environment has other sizes than the policy's.
    """
    ours, theirs = engine.network.spec, saved.network.spec
    if (ours.obs_size, ours.action) != (theirs.obs_size, theirs.action):
        raise UsageError(
            f"--init-from {config.init_from} has {theirs.obs_size} numbers an observation and "
            f"{theirs.action}, {config.env_id} {ours.obs_size} and {ours.action}: it needs an environment of "
            "the same sizes"
        )
    state = saved.content
    if not config.init_optimizer:
        new = {"state": {}, "param_groups": [{"lr": config.learning_rate}]}
        state = {**state, "optimizer": new, "updates": 0}
    with explained(saved.path):
        engine.take_policy(state)
    env_steps = saved.content["env_steps"]
    return f"begins with the policy of {saved.path}: {saved.config.env_id}, {env_steps:,} env steps"
