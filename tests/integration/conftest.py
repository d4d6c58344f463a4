# SPDX-License-Identifier: GPL-3.0-only
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import processes  # noqa: E402


@pytest.fixture(scope="session")
def demo_model():
    """Path of the real demo model."""
    path = processes.demo_model_path()
    if path is None:
        pytest.skip("the demo model is not on this machine; scripts/quickstart --smoke fetches it")
    return path


@pytest.fixture(scope="session")
def fleet(demo_model, tmp_path_factory):
    """One neuron with the demo model loaded and a gateway in front of it, for all tests that leave them as they are."""
    folder = tmp_path_factory.mktemp("fleet")
    neuron = processes.Neuron(folder, demo_model.parent, f'[[default_models]]\nmodel_id = "{processes.DEMO_MODEL}"')
    gateway = processes.Gateway(folder, {"local": neuron.url})
    loaded = lambda: any(m["id"] == processes.DEMO_MODEL and m["status"] == "loaded"
                         for m in processes.get_json(gateway.url + "/api/fleet")["models"])
    processes.wait_until(loaded, "the demo model to be loaded")
    gateway.neuron = neuron
    yield gateway
    assert gateway.stop() == 0, gateway.text()
    assert neuron.stop() == 0, neuron.text()


@pytest.fixture
def openai_client(fleet):
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=fleet.url + "/v1", api_key="none", max_retries=0)
