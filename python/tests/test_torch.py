"""PyTorch: quadratics in one's own training, and conversion. Runs where PyTorch is installed."""

import importlib.util

import numpy as np
import pytest

import beaa
from conftest import ROOT

WITHOUT = importlib.util.find_spec("torch") is None
if WITHOUT:
    REASON = "PyTorch is not installed here (3 GB): .ci/python torch runs these tests"
    pytestmark = pytest.mark.skip(reason=REASON)
else:
    import torch
    from torch import nn


def network(relu=None):
    relu = relu or nn.ReLU
    torch.manual_seed(1)
    layers = [nn.Conv2d(1, 4, 5, stride=2, padding=1), relu(), nn.AvgPool2d(3, 2), nn.Flatten()]
    made = nn.Sequential(*layers, nn.Linear(4 * 6 * 6, 16), relu(), nn.Linear(16, 10)).eval()
    # Nobody trained it: larger weights make answers that differ from image to image.
    with torch.no_grad():
        for layer in made:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.weight *= 4
    return made


@pytest.fixture(scope="module")
def tensors(images):
    return torch.from_numpy(images).float() / 255


@pytest.mark.parametrize("granularity, sizes", [
    ("element", [(4, 13, 13), (16,)]), ("channel", [(4, 1, 1), (16,)]), ("layer", [(1, 1, 1), (1,)]),
])
def test_fitted_quadratics_are_the_least_squares(tensors, granularity, sizes):
    relu = network()
    fitted = beaa.torch.fit(relu, tensors, granularity=granularity, limit=300)
    quadratics = [m for m in fitted.modules() if isinstance(m, beaa.torch.Quadratic)]
    assert [tuple(q.a.shape) for q in quadratics] == sizes
    # The first activation, by NumPy: all values of a group against their rectified ones.
    x = relu[0](tensors[:300]).detach().double().numpy()
    at = {"element": (2, 5, 7), "channel": (2, 0, 0), "layer": (0, 0, 0)}[granularity]
    values = {"element": x[:, 2, 5, 7], "channel": x[:, 2], "layer": x}[granularity].ravel()
    expected = np.polyfit(values, np.maximum(values, 0), 2)
    found = [p[at].item() for p in (quadratics[0].a, quadratics[0].b, quadratics[0].c)]
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-4), (found, expected)


def test_the_network_that_was_fitted_is_as_it_was(tensors):
    relu = network()
    before = relu(tensors[:4])
    fitted = beaa.torch.fit(relu, tensors)
    assert torch.equal(relu(tensors[:4]), before) and isinstance(relu[1], nn.ReLU)
    assert not any(isinstance(m, nn.ReLU) for m in fitted.modules())
    close = (fitted(tensors).argmax(1) == relu(tensors).argmax(1)).float().mean()
    assert close > 0.7, close


def test_inputs_that_never_change_are_fitted_too():
    relu = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with torch.no_grad():
        relu[0].weight[:] = 0
        relu[0].bias[:] = torch.tensor([-1.5, 2.5])
    fitted = beaa.torch.fit(relu, torch.rand(20, 3))
    assert torch.allclose(fitted(torch.rand(5, 3)), torch.tensor([0.0, 2.5]).expand(5, 2), atol=1e-5)


def test_activations_that_work_in_place(tensors):
    fitted = beaa.torch.fit(network(lambda: nn.ReLU(inplace=True)), tensors)
    plain = beaa.torch.fit(network(), tensors)
    assert torch.allclose(fitted(tensors[:5]), plain(tensors[:5]))


def test_relu_as_a_function_is_refused():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.act = nn.Linear(3, 3), nn.ReLU()

        def forward(self, x):
            return torch.relu(self.linear(self.act(x)))

    with pytest.raises(beaa.UnsupportedError, match="called as a function") as caught:
        beaa.torch.fit(Functional(), torch.rand(4, 3))
    assert "nn.ReLU()" in caught.value.remedy


def test_one_relu_in_two_places_is_refused():
    shared = nn.ReLU()
    both = nn.Sequential(nn.Linear(3, 3), shared, nn.Linear(3, 2), shared)
    fitted = beaa.torch.fit(both, torch.rand(50, 3))
    assert [tuple(m.a.shape) for m in fitted.modules() if isinstance(m, beaa.torch.Quadratic)] == [(3,), (2,)]

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.act = nn.Linear(3, 3), nn.ReLU()

        def forward(self, x):
            return self.act(self.linear(self.act(x)))

    with pytest.raises(beaa.UnsupportedError, match="called more than once"):
        beaa.torch.fit(Twice(), torch.rand(4, 3))


def test_options_of_quadratics():
    assert repr(beaa.torch.Quadratic((4, 5, 5), "channel")) == "Quadratic((4, 5, 5), granularity='channel')"
    with pytest.raises(beaa.OptionError, match="'element' or 'channel'"):
        beaa.torch.Quadratic((4,), "image")
    with pytest.raises(beaa.OptionError, match="features"):
        beaa.torch.Quadratic(())
    with pytest.raises(beaa.OptionError, match="no sample"):
        beaa.torch.fit(network(), np.zeros((0, 1, 28, 28), np.float32))


def test_quadratics_learn_in_ones_own_loop(tensors):
    relu = network()
    student = beaa.torch.fit(relu, tensors, granularity="channel").train()
    target = relu(tensors).detach()
    optimiser = torch.optim.Adam(student.parameters(), 1e-4)
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(student(tensors), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def trained():
    """A network that finds in which pair of rows a bright bar is, 600 such images, and their labels."""
    torch.manual_seed(1)
    y = torch.arange(600) % 10
    x = 0.3 * torch.rand(600, 1, 28, 28)
    for image, bar in zip(x, y):
        image[0, 2 * bar + 4 : 2 * bar + 6] += 0.7
    relu = nn.Sequential(nn.Conv2d(1, 4, 5, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 13 * 13, 10))
    optimiser = torch.optim.Adam(relu.parameters(), 3e-3)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(relu(x), y).backward()
        optimiser.step()
    return relu.eval(), x, y


def test_a_module_becomes_encrypted_inference_in_ten_lines():
    relu, x, y = trained()
    student = beaa.torch.fit(relu, x)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=100)

    model = beaa.convert(student, x, samples=loader)
    program = beaa.compile(model, batch=600, agreement=0.99)
    client = beaa.Client(program.signature)
    ct = client.encrypt(x)
    answer = beaa.Server(program, client.evaluation_key).run(ct)
    classes = client.decrypt(answer).classes

    assert np.allclose(model.evaluate(x), student(x).detach().numpy(), atol=1e-4)
    assert np.mean(classes == student(x).argmax(1).numpy()) > 0.97
    assert np.mean(classes == y.numpy()) > 0.95
    assert model.name == "Sequential" and model.samples == 600


def test_every_part_keeps_its_mode(tensors):
    student = beaa.torch.fit(network(), tensors).train()
    # Frozen, as in transfer learning.
    student[0].eval()
    modes = [part.training for part in student.modules()]
    beaa.convert(student, tensors)
    assert [part.training for part in student.modules()] == modes
    with pytest.raises(beaa.UnsupportedError):
        broken = nn.Sequential(nn.Flatten().eval(), nn.Softplus()).train()
        broken[0].eval()
        beaa.convert(broken, tensors)
    assert [part.training for part in broken.modules()] == [True, False, True]


def test_pixels_are_fitted_only_when_they_are_normalised(images):
    pixels = torch.from_numpy(images)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(pixels, torch.zeros(600)), batch_size=50)
    for samples in (pixels, images, loader):
        with pytest.raises(beaa.InputKindError, match="normalise"):
            beaa.torch.fit(network(), samples)


def test_what_has_no_counterpart_is_listed(tensors):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.sin(x).flatten(1)

    with pytest.raises(beaa.UnsupportedError) as caught:
        beaa.convert(Odd(), tensors)
    assert "Sin" in str(caught.value) and caught.value.parts
