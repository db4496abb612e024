"""The environments that have a compiled form."""

from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.environments.acrobot import ACROBOT
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.kernels.environments.mountain_car import MOUNTAIN_CAR
from vecac.kernels.environments.mountain_car_continuous import MOUNTAIN_CAR_CONTINUOUS
from vecac.kernels.environments.pendulum import PENDULUM

_ENVIRONMENTS = {
    "Acrobot-v1": ACROBOT,
    "CartPole-v1": CARTPOLE,
    "MountainCar-v0": MOUNTAIN_CAR,
    "MountainCarContinuous-v0": MOUNTAIN_CAR_CONTINUOUS,
    "Pendulum-v1": PENDULUM,
}


def register(env_id: str, environment: CompiledEnvironment) -> None:
    """Let --engine fused train on env_id, which Gymnasium must know by the same name."""
    _ENVIRONMENTS[env_id] = environment


def find(env_id: str) -> CompiledEnvironment | None:
    """The compiled form of `Id-v0` or `module:Id-v0`, if it has one."""
    return _ENVIRONMENTS.get(env_id.rpartition(":")[2])


def registered() -> list[str]:
    """The ids of all environments that have a compiled form."""
    return sorted(_ENVIRONMENTS)
