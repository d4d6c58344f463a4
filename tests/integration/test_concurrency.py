# SPDX-License-Identifier: GPL-3.0-only
"""Many clients at once on one neuron, and clients that leave."""
import concurrent.futures
import json
import os
import socket
import urllib.parse
import urllib.request

from processes import DEMO_MODEL, get_json, post, wait_until

# The thread sanitizer makes the kernels many times slower: there a quarter of the tokens, from as many clients.
MAX_TOKENS = 6 if os.environ.get("CORTEX_SANITIZE") == "thread" else 24
PROMPTS = [f"Tell me about the number {n}{' and its neighbours' * (n % 7)}." for n in range(32)]


def complete(url, prompt):
    status, answer = post(url + "/v1/chat/completions", {
        "model": DEMO_MODEL, "temperature": 0, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": prompt}]}, timeout=600)
    assert status == 200, answer
    return answer["choices"][0]["message"]["content"]


def test_32_clients_get_what_each_would_get_alone(fleet):
    alone = [complete(fleet.url, prompt) for prompt in PROMPTS]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda prompt: complete(fleet.url, prompt), PROMPTS))
    assert together == alone


def in_flight(fleet):
    return sum(model["in_flight"] + model["queue_depth"] for model in get_json(fleet.neuron.url + "/health")["models"])


def cancelled(fleet):
    """How many sequences the neuron has given up because nobody was there to read on."""
    with urllib.request.urlopen(fleet.neuron.url + "/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("neuron_requests_total{") and 'finish="cancelled"' in line)


def test_a_client_that_leaves_stops_the_work(fleet):
    before = cancelled(fleet)
    url = urllib.parse.urlsplit(fleet.url)
    body = json.dumps({"model": DEMO_MODEL, "stream": True, "max_tokens": 4000, "messages": [{"role": "user", "content": "Count to a thousand."}],
                       "logit_bias": {"2": -100}}).encode()
    with socket.create_connection((url.hostname, url.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(4096)
        wait_until(lambda: in_flight(fleet) == 1, "the sequence to run")
    wait_until(lambda: cancelled(fleet) == before + 1, "the sequence to be cancelled")
    wait_until(lambda: in_flight(fleet) == 0, "its place in the batch to be free")
