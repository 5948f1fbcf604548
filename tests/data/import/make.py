"""Makes the small PyTorch networks of this folder, their ONNX files by both of PyTorch's exporters, and PyTorch's own
answers, which are the truth that the import is tested against.

    pip install torch onnx onnxscript safetensors numpy
    python tests/data/import/make.py tests/data/import

The files of this folder were made by the versions that `versions.json` names, on the CPU."""

import json
import pathlib
import sys
import warnings

import onnx
import onnxscript
import safetensors
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")


class Quadratic(nn.Module):
    """`a x^2 + b x + c`; each coefficient of shape `[]`, `[C, 1, 1]`, `[C, H, W]` or `[F]`, written in one of three ways."""

    def __init__(self, shape, form="power"):
        super().__init__()
        self.form = form
        self.a = nn.Parameter(0.15 + 0.1 * torch.rand(shape))
        self.b = nn.Parameter(0.5 + 0.3 * torch.randn(shape))
        self.c = nn.Parameter(0.2 * torch.randn(shape))

    def forward(self, x):
        if self.form == "power":
            return self.a * x**2 + self.b * x + self.c
        if self.form == "horner":
            return x * (self.a * x + self.b) + self.c
        return self.c + (self.a * torch.square(x) + x * self.b)


class CryptoNets(nn.Module):
    """The classic small network, narrower, with a quadratic for every element."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 5, stride=2, padding=1)
        self.act1 = Quadratic((3, 13, 13))
        self.fc1 = nn.Linear(507, 32)
        self.act2 = Quadratic((32,), "horner")
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.act1(self.conv(x))
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc2(self.act2(self.fc1(x))), dim=1)


class Block(nn.Module):
    """Two convolutions and a shortcut, which has a convolution of its own where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = Quadratic((outputs, 1, 1), "square")
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
        self.act2 = Quadratic((), "horner")

    def forward(self, x):
        return self.act2(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))) + self.shortcut(x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.act = Quadratic((4, 1, 1))
        self.same = Block(4, 4, 1)
        self.down = Block(4, 8, 2)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.down(self.same(self.act(self.conv(self.bn0(x)))))
        return self.fc(self.drop(F.adaptive_avg_pool2d(x, 1).flatten(1)))


class Grouped(nn.Module):
    """Grouped, depthwise and dilated convolutions, padded and unequal windows, a mean over rows and columns."""

    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), groups=2)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)
        self.pointwise = nn.Conv2d(4, 6, 1)
        self.padded = nn.AvgPool2d(3, stride=2, padding=1)
        self.pool = nn.AvgPool2d((2, 1))
        self.fc1 = nn.Linear(6, 7, bias=False)
        self.norm = nn.BatchNorm1d(7)
        self.fc2 = nn.Linear(7, 3)

    def forward(self, x):
        x = self.grouped(x)
        x = 0.25 * x * x + x
        x = self.pointwise(self.depthwise(x))
        x = self.pool(self.padded(x))
        x = (x + 1) ** 2 / 4 - 0.5
        x = self.norm(self.fc1(x.mean((2, 3))))
        return F.softmax(self.fc2(x * x), dim=-1)


class Plain(nn.Module):
    """No module of `nn`: matrix products with a bias beside them, asymmetric padding, square of a difference."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(2, 1, 2, 2))
        self.shift = nn.Parameter(torch.randn(2, 1, 1))
        self.weight = nn.Parameter(torch.randn(18, 4) / 4)
        self.bias = nn.Parameter(torch.randn(4))
        self.last = nn.Parameter(torch.randn(3, 4) / 2)

    def forward(self, x):
        x = F.conv2d(F.pad(x, (0, 1, 1, 0)), self.kernel, stride=2)
        x = torch.pow(x - self.shift, 2)
        x = x.reshape(-1, 18) @ self.weight + self.bias
        x = torch.mul(x, x)
        return x @ self.last.t() - 0.5


class Teacher(nn.Module):
    """With ReLU: imports, does not compile."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(2))
        self.classifier = nn.Linear(8, 2)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = F.max_pool2d(torch.sigmoid(self.conv(x)), 2)
        x = torch.tanh(x) * x**3
        return self.fc(x.flatten(1))


def answers(model, x):
    """What the network says before a softmax: the scores that are imported."""
    softmax, log_softmax = F.softmax, F.log_softmax
    F.softmax = F.log_softmax = lambda y, dim: y
    try:
        with torch.no_grad():
            return model(x)
    finally:
        F.softmax, F.log_softmax = softmax, log_softmax


def export(name, model, shape):
    x = torch.randn(4, *shape)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    model.eval()
    if name not in ("teacher", "unsupported"):
        save_file({"images": x, "logits": answers(model, x).contiguous()}, folder / f"{name}.answers.safetensors")
    # The classic exporter folds batch normalisation into convolutions unless told to keep it.
    torch.onnx.export(
        model, (x[:1],), str(folder / f"{name}.classic.onnx"), dynamo=False, input_names=["image"],
        output_names=["scores"], dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
    )
    if name == "residual":
        torch.onnx.export(model, (x[:1],), str(folder / f"{name}.unfolded.onnx"), dynamo=False, do_constant_folding=False,
                          training=torch.onnx.TrainingMode.PRESERVE)
    torch.onnx.export(
        model, (x[:2],), str(folder / f"{name}.dynamo.onnx"), dynamo=True, external_data=name == "plain",
        dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False,
    )
    without_traces(folder / f"{name}.dynamo.onnx")


def without_traces(path):
    """Leaves out the newer exporter's stack traces, which name files of the machine that exported."""
    model = onnx.load(path, load_external_data=False)
    for entry in [model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        kept = [p for p in entry.metadata_props if p.key == "pkg.torch.onnx.name_scopes"]
        del entry.metadata_props[:]
        entry.metadata_props.extend(kept)
    onnx.save(model, path)


torch.manual_seed(20240310)
torch.set_num_threads(1)
folder.mkdir(parents=True, exist_ok=True)
cryptonets = CryptoNets()
export("cryptonets", cryptonets, (1, 28, 28))
residual = Residual()
export("residual", residual, (3, 4, 5))
export("grouped", Grouped(), (2, 11, 9))
export("plain", Plain(), (1, 5, 5))
export("teacher", Teacher(), (1, 6, 6))
export("unsupported", Unsupported(), (1, 4, 4))
save_file(cryptonets.state_dict(), folder / "cryptonets.state.safetensors")
save_file(residual.state_dict(), folder / "residual.state.safetensors")

versions = {m.__name__: m.__version__ for m in (torch, onnx, onnxscript, safetensors)}
(folder / "versions.json").write_text(json.dumps({"python": sys.version.split()[0], **versions}, indent=2) + "\n")
