"""Stand-ins for a GPU, where there is none: what is copied to it, from where, and who waits for it."""

import sys

import torch
from support import bits
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN = torch.ops.aten
META = torch.device("meta")


def storage(tensor):
    return tensor.untyped_storage().data_ptr()


class Stream(TorchDispatchMode):
    """Watches copies from the host to the device, whose sources must stay as they are until the next wait.

    waits: how often the host has waited.

    Args:
        is_host: tells a tensor of the host from one of the device.
        spoils: whether to overwrite the sources then, which nobody should need any more.
    """

    def __init__(self, is_host, spoils=True):
        super().__init__()
        self.is_host = is_host
        self.spoils = spoils
        self.waits = 0
        self._in_flight = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is ATEN.copy_.default and self.is_host(args[1]) and not self.is_host(args[0]):
            self.send(args[1], is_waited_for=not (args[2:] or (False,))[0])
        return function(*args, **kwargs)

    def send(self, source, is_waited_for):
        if is_waited_for:
            self.wait()
        else:
            self._in_flight.append((source, bits(source)))

    def wait(self):
        """Whatever was on its way has arrived."""
        self.waits += 1
        for source, when_sent in self._in_flight:
            assert bits(source) == when_sent, "the host has changed what is on its way to the device"
            if self.spoils:
                source.fill_(torch.nan) if source.is_floating_point() else source.bitwise_not_()
        self._in_flight.clear()


class Meta(Stream):
    """torch's `meta` as the device: shapes without numbers, which it shows to nobody but by a wait.

    Operations on tensors of both sides raise, as does a copy in the background from memory that is not
    pinned or not contiguous, and Adam where its kernel on CUDA would.
    """

    def __init__(self, monkeypatch):
        super().__init__(is_host=lambda tensor: tensor.device != META)
        self._pinned = {}
        zeros = torch.zeros

        def pin_memory(tensor):  # a function, so that tensors take it for a method
            return self.pin(tensor)

        monkeypatch.setattr("vecac.algorithm.rollout.PINNED_FOR", ("meta",))
        monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
        monkeypatch.setattr(
            torch, "zeros", lambda *size, pin_memory=False, **kind: self.pin(zeros(*size, **kind), pin_memory)
        )
        monkeypatch.setattr(torch, "Generator", MetaGenerator)
        optimizer = sys.modules[torch.optim.Optimizer.__module__]
        monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["meta"])

    def pin(self, tensor, is_pinned=True):
        """The same in pinned memory: strides are kept, as by torch."""
        if is_pinned:
            tensor = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).copy_(tensor)
            self._pinned[storage(tensor)] = tensor  # kept, so that no other tensor gets this memory
        return tensor

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:  # in inference mode, operations arrive here whole that are made of others
            result = function.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if function is ATEN._local_scalar_dense.default and not self.is_host(args[0]):
            self.wait()
            return True
        if function is ATEN._to_copy.default and kwargs.get("device", args[0].device) != args[0].device:
            if not self.is_host(args[0]):
                self.wait()
                return torch.zeros(args[0].shape, dtype=args[0].dtype)
            self.send(args[0], is_waited_for=not kwargs.get("non_blocking"))
        elif function is not ATEN.copy_.default:
            assert len({tensor.device for tensor in tensors}) <= 1, f"{function} on both devices"
        if "_fused_adam_" in str(function):
            require_alike(args[:4])
        return super().__torch_dispatch__(function, types, args, kwargs)

    def send(self, source, is_waited_for):
        assert is_waited_for or storage(source) in self._pinned, "sent from memory that is not pinned"
        assert is_waited_for or source.is_contiguous(), "sent by way of memory that is not pinned"
        super().send(source, is_waited_for)


class MetaGenerator(torch.Generator):
    """A generator that stands on `meta`, where no number is ever drawn."""

    device = META

    def __new__(cls, device):
        assert device == META
        return super().__new__(cls, "cpu")


def require_alike(lists):
    """Parameters, gradients and both moments have to be dense, and laid out alike."""
    for tensors in zip(*lists, strict=True):
        layouts = {(tensor.shape, *strides(tensor)) for tensor in tensors}
        assert len(layouts) == 1, layouts


def strides(tensor):
    """Of dimensions that have more than one row; others mean nothing."""
    return [stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
