"""The policy's head: a distribution over actions for each form that an action can have.

Shapes: A actions, B valid transitions, O outputs of a policy, U numbers of an action; `...` is any batch.

To sample is a function of noise that is drawn beforehand: for many steps at once, which leaves few and small
operations a step.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vecac.actions import ActionForm


class Head(nn.Module, ABC):
    """A distribution over actions (..., U), by what a network puts out (..., O)."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.num_outputs = num_outputs

    @abstractmethod
    def draw_noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """What `sample` needs for actions of a batch of this shape, by the parameters as they are now, on the
        generator's device."""

    @abstractmethod
    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """An action for each of the outputs, drawn by the noise of `draw_noise`."""

    @abstractmethod
    def greedy(self, outputs: Tensor) -> Tensor:
        """The most probable action; of a Gaussian, the mean."""

    @abstractmethod
    def evaluate(self, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """log pi(a|s) and the entropy of pi(.|s), in nats, (B,) each, of outputs (B, O) and actions."""


def make_head(form: ActionForm, log_std_init: float = 0.0) -> Head:
    """The head for actions of this form; log_std_init is a Gaussian's."""
    if form.kind == "discrete":
        return Categorical(form.sizes[0])
    if form.kind == "multi-discrete":
        return MultiCategorical(form.sizes)
    if form.kind == "multi-binary":
        return Bernoulli(form.sizes[0])
    return Gaussian(form.sizes[0], log_std_init)


class Categorical(Head):
    """One of A actions: softmax(outputs (..., A)); actions (...) int64."""

    def draw_noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Gumbel noise (..., A)."""
        return gumbel_noise((*shape, self.num_outputs), generator)

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """argmax(outputs + noise) is distributed as softmax(outputs): the Gumbel-max trick (Gumbel 1954)."""
        return (outputs + noise).argmax(dim=-1)

    def greedy(self, outputs: Tensor) -> Tensor:
        """The first of equals."""
        return outputs.argmax(dim=-1)

    def evaluate(self, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """log softmax(outputs)_a, and -sum_a pi(a|s) * log pi(a|s)."""
        log_prob = outputs.log_softmax(dim=-1)
        taken_log_prob = log_prob.gather(1, action.unsqueeze(1)).squeeze(1)
        return taken_log_prob, -(log_prob.exp() * log_prob).sum(dim=-1)


class MultiCategorical(Head):
    """Several choices that are independent given the state; actions (..., U) int64, U choices."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sum(sizes))
        self._sizes, self._choices = list(sizes), [Categorical(size) for size in sizes]

    def draw_noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Gumbel noise (..., O)."""
        return gumbel_noise((*shape, self.num_outputs), generator)

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Of each choice by itself."""
        return self.greedy(outputs + noise)

    def greedy(self, outputs: Tensor) -> Tensor:
        """Of each choice by itself."""
        return torch.stack([part.argmax(dim=-1) for part in self._split(outputs)], dim=-1)

    def evaluate(self, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The sums over the choices."""
        parts = zip(self._choices, self._split(outputs), action.unbind(dim=-1), strict=True)
        log_prob, entropy = zip(*(choice.evaluate(*part) for choice, *part in parts), strict=True)
        return torch.stack(log_prob).sum(dim=0), torch.stack(entropy).sum(dim=0)

    def _split(self, outputs: Tensor) -> Sequence[Tensor]:
        return torch.split(outputs, self._sizes, dim=-1)


class Bernoulli(Head):
    """U switches that are independent given the state, each 1 by sigmoid(output); actions (..., U) int64."""

    def draw_noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Logistic noise (..., U): log(u / (1 - u)) of a uniform u."""
        uniform = torch.rand((*shape, self.num_outputs), generator=generator, device=generator.device)
        return uniform.logit()

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """1 where outputs + noise > 0, which is so with the probability sigmoid(outputs)."""
        return (outputs + noise > 0).long()

    def greedy(self, outputs: Tensor) -> Tensor:
        """1 where its probability is above a half."""
        return (outputs > 0).long()

    def evaluate(self, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The sums over the switches of log sigmoid(+-output) and of -p log p - (1 - p) log(1 - p)."""
        log_one, log_zero = torch.nn.functional.logsigmoid(torch.stack((outputs, -outputs)))
        entropy = -(log_one.exp() * log_one + log_zero.exp() * log_zero)
        return torch.where(action > 0, log_one, log_zero).sum(dim=-1), entropy.sum(dim=-1)


class Gaussian(Head):
    """U real numbers, independent given the state; outputs (..., U) are their means, actions float32.

    log_std (U,) is a parameter: the logarithms of the standard deviations, which no state changes.
    """

    def __init__(self, size: int, log_std_init: float = 0.0) -> None:
        super().__init__(size)
        self.log_std = nn.Parameter(torch.full((size,), float(log_std_init)))

    @torch.no_grad()
    def draw_noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Deviations from the mean (..., U): normal noise times the standard deviation."""
        noise = torch.randn((*shape, self.num_outputs), generator=generator, device=generator.device)
        return noise.mul_(self.log_std.exp())

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """mean + noise, which no bounds clip."""
        return outputs + noise

    def greedy(self, outputs: Tensor) -> Tensor:
        """The mean."""
        return outputs

    def evaluate(self, outputs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """With z = (a - mean) / std, the sums of -z^2 / 2 - log std - log(2 pi) / 2 and of
        log std + (1 + log(2 pi)) / 2."""
        log_two_pi = math.log(2 * math.pi)
        z = (action - outputs) * (-self.log_std).exp()
        log_prob = (-0.5 * z.square() - self.log_std - 0.5 * log_two_pi).sum(dim=-1)
        entropy = (self.log_std + 0.5 * (1 + log_two_pi)).sum()
        return log_prob, entropy.expand_as(log_prob)


def gumbel_noise(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Independent standard Gumbel numbers on the generator's device: -log(-log(uniform))."""
    # Not exponential_: on the CPU that draws from a weaker generator than rand does.
    uniform = torch.rand(tuple(shape), generator=generator, device=generator.device)
    return uniform.log_().neg_().log_().neg_()
