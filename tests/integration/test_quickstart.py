# SPDX-License-Identifier: GPL-3.0-only
"""scripts/quickstart as a service, on a machine where everything is built: with a home folder and ports of its own."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from processes import BIN, SOURCE, Program, free_ports, get_json, wait_until

MODEL = "cortex-tiny"


class Quickstart:
    """A copy of the scripts beside the programs that are under test, with a cmake that finds nothing to do."""

    def __init__(self, folder):
        self.folder = folder
        self.neuron_port, self.port, metrics_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        shutil.copytree(SOURCE / "scripts", folder / "scripts")
        (folder / "build/release").mkdir(parents=True)
        (folder / "build/release/bin").symlink_to(BIN)
        (folder / "tools").mkdir()
        cmake = folder / "tools/cmake"
        cmake.write_text("#!/bin/sh\n")
        cmake.chmod(0o755)
        config = folder / "home/.config/cortex"
        config.mkdir(parents=True)
        (config / "neuron.toml").write_text(f"port = {self.neuron_port} # changed by the operator\n")
        (config / "cortex.toml").write_text(
            f'[gateway]\n  metrics_listen = "127.0.0.1:{metrics_port}"\n  listen="127.0.0.1:{self.port}" # changed, too\n'
            f'[[neurons]]\nname = "local"\nendpoint = "http://127.0.0.1:{self.neuron_port}"\n')
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "HF_"))}
        self.environment |= {"HOME": str(folder / "home"), "PATH": f"{folder / 'tools'}:{os.environ['PATH']}"}
        self.command = [folder / "scripts/quickstart", "--headless", "--offline"]

    def start(self):
        return Program(self.command, self.folder / "quickstart.log", self.environment)

    def run(self):
        return subprocess.run(self.command, env=self.environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def quickstart(tmp_path):
    return Quickstart(tmp_path)


@pytest.fixture
def service(quickstart):
    """A quickstart that has told that it is ready."""
    program = quickstart.start()
    try:
        wait_until(lambda: "Ready" in program.text() or program.process.poll() is not None, "the quickstart")
        yield program
    finally:
        program.stop()


def test_the_ports_of_the_operators_config_are_used(quickstart, service):
    assert f"Ready: {quickstart.url}/v1" in service.text(), service.text()
    assert "31313" not in service.text()
    assert get_json(f"http://127.0.0.1:{quickstart.neuron_port}/health")
    wait_until(lambda: any(model["id"] == MODEL for model in get_json(quickstart.url + "/v1/models")["data"]), MODEL)
    assert service.stop(signal.SIGTERM) == 143


def test_a_second_one_says_that_a_gateway_runs_already(quickstart, service):
    second = quickstart.run()
    assert second.returncode == 1
    assert f"a gateway already runs at {quickstart.url}" in second.stderr
    assert "Ready" not in second.stdout
    assert get_json(quickstart.url + "/health") and service.process.poll() is None


def test_it_ends_with_the_status_of_a_gateway_that_failed(quickstart, service):
    children = pathlib.Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    gateway, = (child for child in children if b"\0serve\0" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes())
    os.kill(int(gateway), signal.SIGKILL)
    assert service.process.wait(30) == 128 + signal.SIGKILL
    assert "the gateway failed" in service.text()
