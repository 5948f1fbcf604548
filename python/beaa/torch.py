"""Quadratics in place of ReLU, for networks that are trained in PyTorch.

Ciphertexts can be added and multiplied, nothing else: an activation under encryption is `a x^2 + b x + c`, with
coefficients of its own for every element of the feature map, for every channel, or for the whole layer. `fit` makes
them of a trained ReLU network by least squares; train on from there.
"""

from __future__ import annotations

import copy
import math

from ._arrays import gathered
from .errors import InputKindError, MissingPackageError, OptionError, UnsupportedError

try:
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode
except ImportError as _error:
    _remedy = 'install it with pip install "beaa[torch]"'
    raise MissingPackageError(
        f"importing beaa.torch: found no package torch, expected PyTorch; {_remedy}",
        operation="importing beaa.torch",
        found="no package torch",
        expected="PyTorch",
        remedy=_remedy,
    ) from _error

#: For what a quadratic has coefficients of its own.
GRANULARITIES = ("element", "channel", "layer")

#: The coefficients of the quadratic nearest to ReLU on a standard normal input.
_NEAR_RELU = (1 / (2 * math.sqrt(2 * math.pi)), 0.5, 1 / (2 * math.sqrt(2 * math.pi)))


class Quadratic(nn.Module):
    """`a x^2 + b x + c`, element by element.

    `shape` is that of a feature map without the axis of images: (channels, rows, columns), or (features,). It starts
    near ReLU on inputs of mean 0 and deviation 1: after a batch normalisation, or fitted by `fit`.
    """

    def __init__(self, shape, granularity: str = "element") -> None:
        super().__init__()
        shape = tuple(int(n) for n in shape)
        if granularity not in GRANULARITIES:
            raise _wrong("`granularity`", repr(granularity), " or ".join(map(repr, GRANULARITIES)), "leave it out")
        if not shape or min(shape) < 1:
            remedy = "leave the axis of images out of it"
            raise _wrong("`shape`", repr(shape), "(channels, rows, columns) or (features,)", remedy)
        self.shape, self.granularity = shape, granularity
        size = _coefficients(shape, granularity)
        self.a, self.b, self.c = (nn.Parameter(torch.full(size, value)) for value in _NEAR_RELU)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a * x * x + self.b * x + self.c

    def extra_repr(self) -> str:
        return f"{self.shape}, granularity={self.granularity!r}"


def fit(module: nn.Module, samples, *, granularity: str = "element", limit: int = 1024, kinds=(nn.ReLU,)) -> nn.Module:
    """Gives a copy of a trained network whose activations are quadratics.

    Each is the least-squares fit of the activation, of the module types `kinds`, to what the network sees there on
    `samples`: an array, a tensor or a loader of batches, of which `limit` are taken, as the network itself takes them:
    floats, normalised as in training. The copy is in evaluation mode.
    """
    if granularity not in GRANULARITIES:
        raise _wrong("`granularity`", repr(granularity), " or ".join(map(repr, GRANULARITIES)), "leave it out")
    numbers = gathered(samples, limit)
    if numbers.dtype != "float32":
        found, expected = "pixels (uint8), which are not normalised", "floats as the network itself takes them"
        remedy = "normalise them as in training: (x / 255 - mean) / std"
        message = f"fitting quadratics: found {found}, expected {expected}; {remedy}"
        said = dict(operation="fitting quadratics", found=found, expected=expected, remedy=remedy)
        raise InputKindError(message, **said)
    inputs = torch.from_numpy(numbers)
    if len(inputs) == 0:
        raise _wrong("`samples`", "no sample", "at least one", "give images that the network was trained on")
    copied = copy.deepcopy(module).eval()
    parameter = next(copied.parameters(), None)
    if parameter is not None:
        inputs = inputs.to(parameter.device, parameter.dtype)
    names = [name for name, part in copied.named_modules(remove_duplicate=False) if isinstance(part, tuple(kinds))]
    recorders = {}
    for name in names:
        recorder = _Recorder(copied.get_submodule(name), granularity)
        recorders[name] = recorder
        _put(copied, name, recorder)
    batches = inputs.split(256)
    with torch.no_grad(), _NoFunctions(copied):
        for batch in batches:
            copied(batch)
        for name, recorder in recorders.items():
            recorder.centre(name, len(batches))
        for batch in batches:
            copied(batch)
    for name, recorder in recorders.items():
        _put(copied, name, recorder.quadratic())
    return copied


class _Recorder(nn.Module):
    """Computes an activation and adds up what a least-squares fit needs, group by group."""

    def __init__(self, activation: nn.Module, granularity: str) -> None:
        super().__init__()
        self.activation, self.granularity = activation, granularity
        self.shape, self.dtype, self.device = None, None, None
        self.sums = self.mean = self.deviation = self.moments = None
        self.calls, self.samples = 0, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # One that works in place must not change what is recorded.
        y = self.activation(x.clone())
        if self.shape is None:
            self.shape, self.dtype, self.device = tuple(x.shape[1:]), x.dtype, x.device
            self.size = _coefficients(self.shape, self.granularity)
            self.axes = [0] + [1 + i for i, n in enumerate(_aligned(self.size, self.shape)) if n == 1]
        x64, y64 = x.double(), y.double()
        self.calls += 1
        if self.mean is None:
            sums = torch.stack([self._sum(x64), self._sum(x64 * x64)])
            self.sums = sums if self.sums is None else self.sums + sums
            self.samples += x.numel() // max(1, math.prod(self.size))
        else:
            z = (x64 - self.mean) / self.deviation
            powers = [self._sum(z**k) for k in range(5)] + [self._sum(y64 * z**k) for k in range(3)]
            moments = torch.stack(powers)
            self.moments = moments if self.moments is None else self.moments + moments
        return y

    def _sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.sum(self.axes, keepdim=True)[0]

    def centre(self, name: str, calls: int) -> None:
        """Ends the first pass: inputs are centred from now on, which keeps the fit well-conditioned."""
        if self.calls == 0:
            remedy = "take it out of the network, or give samples that lead there"
            raise _unsupported(name, "an activation that no sample reaches", remedy)
        if self.calls != calls:
            remedy = "make a module for each place where it is called"
            raise _unsupported(name, "an activation that is called more than once", remedy)
        self.mean = self.sums[0] / self.samples
        variance = (self.sums[1] / self.samples - self.mean**2).clamp_min(0)
        # An input that never changes has no deviation; any number does.
        self.deviation = torch.where(variance > 1e-12 * (1 + self.mean**2), variance.sqrt(), torch.ones_like(variance))

    def quadratic(self) -> Quadratic:
        """The least-squares solution, as far as the samples determine it."""
        m = self.moments / self.samples
        gram = torch.stack([torch.stack([m[4 - i - j] for j in range(3)], -1) for i in range(3)], -2)
        right = torch.stack([m[7], m[6], m[5]], -1)
        p, q, r = (torch.linalg.pinv(gram, rtol=1e-9, hermitian=True) @ right[..., None])[..., 0].unbind(-1)
        a = p / self.deviation**2
        b = q / self.deviation - 2 * a * self.mean
        c = r - q * self.mean / self.deviation + a * self.mean**2
        fitted = Quadratic(self.shape, self.granularity).to(self.device, self.dtype)
        with torch.no_grad():
            for parameter, value in zip((fitted.a, fitted.b, fitted.c), (a, b, c)):
                parameter.copy_(value.reshape(parameter.shape))
        return fitted


class _NoFunctions(TorchFunctionMode):
    """Refuses ReLU that is called as a function: it belongs to no module, so nothing can take its place."""

    _RELU = frozenset(
        [torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, nn.functional.relu, nn.functional.relu_]
    )

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inside = 0
        for recorder in network.modules():
            if isinstance(recorder, _Recorder):
                recorder.activation.register_forward_pre_hook(lambda *_: self._count(1))
                recorder.activation.register_forward_hook(lambda *_: self._count(-1))

    def _count(self, change: int) -> None:
        self.inside += change

    def __torch_function__(self, function, types, arguments=(), named=None):
        if function in self._RELU and self.inside == 0:
            remedy = "make it a module, self.act1 = nn.ReLU(), one for each place where it is called"
            raise _unsupported("forward", "ReLU called as a function", remedy)
        return function(*arguments, **(named or {}))


def _coefficients(shape, granularity):
    """The shape of the coefficients, such that they broadcast over images of `shape`."""
    if granularity == "layer":
        return (1,) * len(shape)
    if granularity == "channel":
        return (shape[0],) + (1,) * (len(shape) - 1)
    return shape


def _aligned(size, shape):
    return (1,) * (len(shape) - len(size)) + tuple(size)


def _put(network: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    if not name:
        raise _unsupported("the network", "a network that is one activation", "put it into nn.Sequential")
    setattr(network.get_submodule(parent), child, part)


def _wrong(what, found, expected, remedy):
    operation = f"option {what}"
    message = f"{operation}: found {found}, expected {expected}; {remedy}"
    return OptionError(message, operation=operation, found=found, expected=expected, remedy=remedy)


def _unsupported(name, found, remedy):
    message = f"fitting quadratics: found {found} in `{name}`, expected modules that can be replaced; {remedy}"
    return UnsupportedError(
        message,
        parts=[(name, found, remedy)],
        operation="fitting quadratics",
        found=f"{found} in `{name}`",
        expected="modules that can be replaced",
        remedy=remedy,
    )
