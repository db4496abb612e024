"""The settings of a run in parts, of which each room receives the one that it uses. Config is all at once."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True)
class RolloutSettings:
    """How large a rollout is."""

    num_envs: int = 16
    """Copies of the environment that step together (N)."""
    n_rollout: Annotated[int, tyro.conf.arg(aliases=["--num-steps"])] = 10
    """Steps of every copy between two updates (T)."""


@dataclass(frozen=True)
class EnvironmentSettings(RolloutSettings):
    """What is stepped, and how."""

    env_id: str = "CartPole-v1"
    """Gymnasium environment id; one of your own is module:Id-v0."""
    env_kwargs: dict[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments of the environment, as Python literals: gravity=-5 enable_wind=True."""
    wrapper: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """module:Wrapper or module:Wrapper,name=value around each copy; the first of several is the innermost."""
    max_episode_steps: int | None = None
    """Time limit in place of the environment's own."""
    engine: Literal["sync", "async", "vector", "fused", "auto"] = "sync"
    """One process, a process each, their own vector form, a kernel that learns too; auto: the fastest."""
    autoreset_mode: Literal["next-step", "same-step", "disabled"] = "next-step"
    """Gymnasium's autoreset mode; all three lead through the same episodes."""
    seed: int = 1
    """Every random stream of the run is derived from it."""
    start_method: Literal["default", "fork", "forkserver", "spawn"] = "default"
    """How --engine async starts its worker processes."""
    shared_memory: bool = True
    """Whether --engine async passes observations through shared memory, not pipes."""
    step_timeout: float = 60.0
    """Seconds that --engine async gives an environment's process for one step or reset."""


@dataclass(frozen=True)
class NetworkSettings:
    """What the network looks like."""

    hidden_sizes: Annotated[tuple[int, ...], tyro.conf.arg(aliases=["--hidden-size"])] = (256,)
    """Width of each hidden layer."""
    activation: Literal["relu", "tanh", "elu", "silu"] = "relu"
    """What follows each hidden layer."""
    separate_critic: bool = False
    """Give the value hidden layers of its own, instead of the policy's."""
    init: Literal["default", "orthogonal"] = "default"
    """Initial weights: nn.Linear's own, or orthogonal ones with gains as in Stable-Baselines3."""
    log_std_init: float = 0.0
    """Logarithm of the initial standard deviation of actions that are real numbers."""
    norm_obs: bool = False
    """Normalise observations by their running mean and variance, which are part of the network."""
    clip_obs: float = 10.0
    """Clip normalised observations to this size."""
    norm_reward: bool = False
    """Divide rewards inside the loss by the running standard deviation of the discounted return."""


@dataclass(frozen=True)
class LearningSettings(NetworkSettings, RolloutSettings):
    """What is learned from a rollout, and by what steps."""

    total_timesteps: int = 1_000_000
    """Env steps to train for; the run stops after the first update that reaches them."""
    learning_rate: float = 2e-4
    """The optimiser's step size."""
    lr_schedule: Literal["constant", "linear"] = "constant"
    """Keep the learning rate, or let it go linearly to --lr-final over total_timesteps."""
    lr_final: float = 0.0
    """What a linear schedule of the learning rate ends at."""
    anneal_lr: bool = False
    """The same as --lr-schedule linear."""
    optimizer: Literal["adam", "rmsprop"] = "adam"
    """Who makes the steps; RMSprop with alpha 0.99."""
    optimizer_eps: float | None = None
    """Its epsilon; None is 1e-8 for Adam, 1e-5 for RMSprop."""
    gamma: float = 0.98
    """Discount factor."""
    td_lambda: Annotated[float, tyro.conf.arg(aliases=["--gae-lambda"])] = 0.0
    """Lambda of the TD(lambda) target, and so of the advantage; 0 is one step, 1 Monte Carlo."""
    normalize_advantage: bool = False
    """Normalise advantages over the valid rows of each update."""
    reward_scale: float = 0.01
    """Factor on rewards inside the loss; reported returns are unscaled."""
    ent_coef: float = 0.0
    """Weight of the entropy bonus in the loss."""
    ent_coef_schedule: Literal["constant", "linear"] = "constant"
    """Keep that weight, or let it go linearly to --ent-coef-final over total_timesteps."""
    ent_coef_final: float = 0.0
    """What a linear schedule of the entropy bonus ends at."""
    vf_coef: float = 1.0
    """Weight of the value loss."""
    value_loss: Literal["smooth-l1", "mse"] = "smooth-l1"
    """Distance of the value to its target."""
    max_grad_norm: float | None = None
    """Clip the gradient's global norm to this; None clips nothing."""
    bootstrap_truncated: bool = True
    """Bootstrap the target from the final observation where a time limit cut an episode off."""

    @property
    def anneals_lr(self) -> bool:
        """Whether the learning rate is scheduled, by whichever flag."""
        return self.anneal_lr or self.lr_schedule == "linear"


@dataclass(frozen=True)
class RunSettings:
    """Who computes, until when, and what is played at the end."""

    learner: Literal["auto", "torch", "compiled"] = "auto"
    """Who computes the updates; auto is compiled where that applies on the CPU, else torch."""
    device: str = "auto"
    """Where the network learns: auto, cpu, cuda or cuda:N."""
    num_threads: int = 0
    """CPU threads for the network; 0 chooses one for torch, all cores for compiled kernels."""
    init_from: str | None = None
    """Run folder, or checkpoint, whose policy a new run begins with: network and normalisation."""
    init_optimizer: bool = False
    """Begin with the moments of its optimiser too, which go on counting its updates."""
    target_return: float | None = None
    """Stop once the mean return of the last 100 episodes reaches this."""
    eval_episodes: int = 100
    """Episodes of the greedy and of the sampled evaluation at the end; 0 for none."""
    eval_interval: int = 0
    """Env steps between greedy evaluations while training, by which best.pt then is the best; 0 for none."""
    eval_max_steps: int = 0
    """Steps after which an evaluated episode is cut; 0 is 10,000 where the environment has no time limit."""


@dataclass(frozen=True)
class RecordingSettings:
    """What is written down, and where."""

    log_dir: str = "logs"
    """Folder that run folders are created in."""
    run_name: str = "vecac"
    """Part of the run folder's name."""
    log_interval: int = 0
    """Env steps between two log rows; 0 is total_timesteps / 200."""
    checkpoint_interval: float = 60.0
    """Seconds between two checkpoints; changes no number."""
    checkpoint_every: int = 0
    """Env steps between two checkpoints that are kept, each called by its env steps; 0 for none."""
    keep_checkpoints: Annotated[int | None, tyro.conf.arg(aliases=["--keep"])] = None
    """How many of these stay, the newest; None for all."""
    video_at_end: bool = False
    """Draw an episode of the last parameters into video.mp4 in the run folder, and for TensorBoard."""
    quiet: bool = False
    """Print nothing but warnings and errors."""
