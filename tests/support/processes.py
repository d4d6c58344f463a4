# SPDX-License-Identifier: GPL-3.0-only
"""Starts Cortex's programs for tests: on free ports, with configuration and state in a scratch folder, stopped for sure."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CORTEX_BIN", SOURCE / "build/release/bin"))
DEMO_MODEL = "SmolLM2-135M-Instruct.Q4_1"
START_SECONDS = 60


def demo_model_path():
    """The GGUF that scripts/quickstart fetched, or None."""
    data = pathlib.Path(os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share")
    cache = pathlib.Path(os.environ.get("HF_HOME") or pathlib.Path.home() / ".cache/huggingface")
    places = [data / "cortex/models" / f"{DEMO_MODEL}.gguf", *cache.glob(f"hub/models--*/snapshots/*/{DEMO_MODEL}.gguf")]
    return next((place for place in places if place.is_file()), None)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def get_json(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return json.load(response)


def post(url, body, timeout=120):
    """(status, parsed body) of a POST; `body` is bytes as they stand, or is made JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_until(condition, what, seconds=START_SECONDS):
    """Polls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


class Program:
    """A running program of ours, with its log."""

    def __init__(self, arguments, log, environment=None):
        self.log_path = log
        self.log = open(log, "wb")
        self.process = subprocess.Popen([str(a) for a in arguments], stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(environment or {})})

    def text(self):
        return self.log_path.read_text(errors="replace")

    def answers(self, url):
        assert self.process.poll() is None, f"{self.process.args[0]} ended with {self.process.returncode}:\n{self.text()}"
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=5):
                return True
        return False

    def stop(self, how=signal.SIGTERM, seconds=30):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(seconds)
        self.log.close()
        return code


class Neuron(Program):
    def __init__(self, folder, model_folder, extra="", environment=None):
        self.port, = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "neuron.toml"
        config.write_text(f'port = {self.port}\n{extra}\n[models]\ndirs = ["{model_folder}"]\n')
        scratch = {"HF_HOME": str(folder / "hf")}
        super().__init__([BIN / "neuron", "--config", config], folder / "neuron.log", {**scratch, **(environment or {})})
        wait_until(lambda: self.answers(self.url + "/health"), "neuron's /health")

    def models(self):
        return {model["id"]: model for model in get_json(self.url + "/models")}


class Gateway(Program):
    def __init__(self, folder, neurons, extra=""):
        self.port, self.metrics_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "cortex.toml"
        nodes = "".join(f'[[neurons]]\nname = "{name}"\nendpoint = "{url}"\n' for name, url in neurons.items())
        config.write_text(f'[gateway]\nlisten = "127.0.0.1:{self.port}"\nmetrics_listen = "127.0.0.1:{self.metrics_port}"\n'
                          f"{extra}\n{nodes}")
        super().__init__([BIN / "cortex", "serve", "--config", config], folder / "cortex.log")
        wait_until(lambda: self.answers(self.url + "/health"), "the gateway's /health")


def run(*arguments, **options):
    """A program of ours to its end: CompletedProcess with text output."""
    program, *rest = arguments
    options.setdefault("timeout", 300)
    return subprocess.run([str(BIN / program), *map(str, rest)], capture_output=True, text=True, **options)
