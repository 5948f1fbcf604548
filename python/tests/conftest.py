"""What tests share: a small network, its program, and images."""

from pathlib import Path

import numpy as np
import pytest

import beaa

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="session")
def network():
    """CryptoNets as PyTorch exported it: 1 x 28 x 28 in, 10 out, quadratics."""
    return DATA / "import" / "cryptonets.dynamo.onnx"


@pytest.fixture(scope="session")
def images():
    """Smooth grey pictures, uint8, [image, channel, row, column]."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (600, 1, 7, 7))
    return np.kron(coarse, np.ones((4, 4))).astype(np.uint8)


@pytest.fixture(scope="session")
def model(network, images):
    return beaa.import_onnx(network, mean=[0.1307], std=[0.3081], samples=images)


@pytest.fixture(scope="session")
def program(model):
    return beaa.compile(model, batch=600, agreement=0.99)


@pytest.fixture(scope="session")
def client(program):
    return beaa.Client(program.signature)


@pytest.fixture(scope="session")
def server(program, client):
    return beaa.Server(program, client.evaluation_key)


@pytest.fixture(scope="session")
def deep(network):
    """A program whose run takes long enough to be stopped."""
    return beaa.compile(beaa.import_onnx(network), batch=16384, logit_error=1e-4)
