"""Where servers compute: the processor, or a graphics card that may not be there."""

import pytest

import beaa


def test_an_unknown_device_is_refused_with_those_that_there_are(program, images):
    with pytest.raises(beaa.OptionError, match="found `gpu`, expected processor, cuda or cuda:N"):
        beaa.Server(program, None, "gpu")
    with pytest.raises(beaa.OptionError, match="expected processor"):
        beaa.verify(program, images[:2], device="cuda:x")


def test_a_card_that_is_not_there_is_an_error_with_what_to_do(program, images):
    attempts = (
        lambda: beaa.Server(program, device="cuda:1000"),
        lambda: beaa.verify(program, images, device="cuda:1000"),
    )
    for attempt in attempts:
        with pytest.raises(beaa.DeviceError) as caught:
            attempt()
        assert caught.value.operation == "opening a graphics card" and caught.value.remedy


def test_the_processor_is_a_device(program, client, images):
    server = beaa.Server(program, client.evaluation_key, "processor")
    encrypted = client.encrypt(images[:3])
    assert client.decrypt(server.run(encrypted)).classes.shape == (3,)


def test_a_server_keeps_its_device_when_it_travels(program, client):
    server = beaa.Server(program, client.evaluation_key, "processor")
    assert server.__reduce__()[1][2] == "processor"
    # As released before servers had devices.
    assert isinstance(beaa.Server(*server.__reduce__()[1][:2]), beaa.Server)
