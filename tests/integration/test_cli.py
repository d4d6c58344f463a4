# SPDX-License-Identifier: GPL-3.0-only
"""The command lines, and the faults that a new user meets."""
import json

import pytest
from processes import DEMO_MODEL, Gateway, Neuron, Program, BIN, free_ports, get_json, post, run, wait_until


def test_status_shows_nodes_and_models(fleet):
    result = run("cortex", "status", "--url", fleet.url)
    assert result.returncode == 0, result.stderr
    assert "local" in result.stdout and DEMO_MODEL in result.stdout and "loaded" in result.stdout
    assert "\x1b" not in result.stdout


def test_status_json_is_the_fleet(fleet):
    state = json.loads(run("cortex", "status", "--url", fleet.url, "--json").stdout)
    assert state["nodes"][0]["name"] == "local"


def test_models(fleet):
    result = run("cortex", "models", "--url", fleet.url)
    assert result.returncode == 0 and DEMO_MODEL in result.stdout


@pytest.mark.parametrize("option, value, bounds", [
    ("--temperature", "nan", "0 to 100"), ("--temperature", "-1", "0 to 100"), ("--top-p", "1.5", "0 to 1"),
    ("-n", "3.5", "0 to 268435456"), ("--context", "1e99", "0 to 268435456"), ("--threads", "100000", "0 to 4096"),
])
def test_the_engine_refuses_numbers_out_of_bounds(option, value, bounds):
    result = run("neuron-engine", "generate", "--model", "m.gguf", "--prompt", "Hello", option, value)
    assert result.returncode == 2
    assert f"{option}: expected a" in result.stderr and f'from {bounds}, got "{value}"' in result.stderr


def test_the_type_of_the_cache_is_chosen_by_name(demo_model):
    def tokens(*options):
        result = run("neuron-engine", "generate", "--model", demo_model, "--prompt", "The capital of France is", "-n", "5",
                     "--temperature", "0", "--json", *options)
        return result, result.returncode == 0 and json.loads(result.stdout)["tokens"]

    assert len(tokens()[1]) == 5
    assert tokens()[1] == tokens("--cache-type", "f32")[1]  # no near tie that the cache's rounding would decide
    refused, _ = tokens("--cache-type", "q8_0")
    assert refused.returncode == 2
    assert "--cache-type: q8_0 not in {f32,f16,bf16}" in refused.stderr


def test_status_without_a_gateway_says_so():
    port, = free_ports(1)
    result = run("cortex", "status", "--url", f"http://127.0.0.1:{port}")
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr and len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize("program", ["cortex", "neuron", "neuron-engine"])
def test_help_and_wrong_use(program):
    assert run(program, "--help").returncode == 0
    assert run(program, "--version").returncode == 0
    wrong = run(program, "--no-such-option")
    assert wrong.returncode == 2 and "no-such-option" in wrong.stderr


def test_port_in_use_is_one_clear_message(fleet, tmp_path):
    config = tmp_path / "cortex.toml"
    config.write_text(f'[gateway]\nlisten = "127.0.0.1:{fleet.port}"\nmetrics_listen = "127.0.0.1:0"\n')
    result = run("cortex", "serve", "--config", config)
    assert result.returncode == 1 and f"127.0.0.1:{fleet.port}" in result.stderr
    config.write_text(f"port = {fleet.neuron.port}\n")
    result = run("neuron", "--config", config)
    assert result.returncode == 1 and str(fleet.neuron.port) in result.stderr


@pytest.mark.parametrize("program, text, needles", [
    ("cortex", '[gateway]\nlisten = "127.0.0.1:1"\nlissten = 3\n', [":3", "lissten"]),
    ("cortex", "[gateway]\nlisten = 5\n", [":2", "listen"]),
    ("cortex", "[gateway\n", [":1"]),
    ("neuron", 'port = "many"\n', [":1", "port"]),
    ("neuron", "\n\nprot = 3\n", [":3", "prot"]),
])
def test_bad_config_names_file_line_and_key(tmp_path, program, text, needles):
    config = tmp_path / "bad.toml"
    config.write_text(text)
    arguments = ["serve"] if program == "cortex" else []
    result = run(program, *arguments, "--config", config)
    assert result.returncode in (1, 2)
    for needle in [str(config), *needles]:
        assert needle in result.stderr


def test_load_and_unload_by_hand(demo_model, tmp_path):
    neuron = Neuron(tmp_path, demo_model.parent)
    gateway = Gateway(tmp_path, {"box": neuron.url})
    wait_until(lambda: neuron.models().get(DEMO_MODEL), "the model to be discovered")
    wait_until(lambda: DEMO_MODEL in [m["id"] for m in get_json(gateway.url + "/api/fleet")["models"]], "the gateway to know it")
    result = run("cortex", "load", DEMO_MODEL, "--url", gateway.url)
    assert result.returncode == 0, result.stderr
    assert neuron.models()[DEMO_MODEL]["status"] == "loaded"
    result = run("cortex", "unload", DEMO_MODEL, "--url", gateway.url)
    assert result.returncode == 0, result.stderr
    wait_until(lambda: neuron.models()[DEMO_MODEL]["status"] == "unloaded", "the model to be unloaded")
    assert gateway.stop() == 0
    assert neuron.stop() == 0


def test_a_request_loads_the_model_once_for_all_who_wait(demo_model, tmp_path):
    import concurrent.futures
    neuron = Neuron(tmp_path, demo_model.parent)
    gateway = Gateway(tmp_path, {"box": neuron.url})
    wait_until(lambda: DEMO_MODEL in [m["id"] for m in get_json(gateway.url + "/api/fleet")["models"]], "the gateway to know it")
    body = {"model": DEMO_MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(gateway.url + "/v1/chat/completions", body), range(8)))
    assert [status for status, _ in answers] == [200] * 8
    assert len({answer["choices"][0]["message"]["content"] for _, answer in answers}) == 1
    assert gateway.stop() == 0
    assert neuron.stop() == 0


def test_a_node_that_dies_is_seen_and_its_return_too(demo_model, tmp_path):
    neuron = Neuron(tmp_path, demo_model.parent)
    gateway = Gateway(tmp_path, {"box": neuron.url})
    status = lambda: get_json(gateway.url + "/api/fleet")["nodes"][0]["status"]
    wait_until(lambda: status() == "online", "the node to be online")
    neuron.process.kill()
    wait_until(lambda: status() == "offline", "the node to be offline")
    back = Program([BIN / "neuron", "--config", tmp_path / "neuron.toml"], tmp_path / "again.log")
    wait_until(lambda: status() == "online", "the node to be back")
    assert back.stop() == 0
    assert gateway.stop() == 0
