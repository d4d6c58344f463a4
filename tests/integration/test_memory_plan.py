# SPDX-License-Identifier: GPL-3.0-only
"""What `plan` predicts from headers and config is what loading and running takes, for every family.

The checkpoints are the golden ones of tests/golden, stretched to a size at which a process's own overhead no longer
counts: more layers, a larger vocabulary. Their weights are zeros in sparse files, which cost neither time nor disk.
"""
import json
import math
import os
import pathlib
import struct
import subprocess

import pytest

import processes

GOLDEN = processes.SOURCE / "tests/golden"
VOCABULARY = 1_500_000
LAYER_BYTES = 3_000_000  # of all layers' weights together, about
CONTEXT = 1000
TOLERANCE = 0.02
ELEMENT_BYTES = {"F32": 4, "BF16": 2, "F16": 2}

pytestmark = pytest.mark.skipif(bool(os.environ.get("CORTEX_SANITIZE")),
                                reason="a sanitizer's own memory is in no account")


def families():
    return sorted(path.parent.name for path in GOLDEN.glob("*/model.safetensors"))


def header_of(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    return header


def layer_of(name):
    """("model.layers.", "3", ".mlp…") of a per-layer tensor's name, else None."""
    before, found, rest = name.partition("layers.")
    number, dot, after = rest.partition(".")
    return (before + found, int(number), dot + after) if found and number.isdigit() and "mtp." not in before else None


def stretch(folder, family):
    """Writes the stretched checkpoint and returns its folder."""
    config = json.loads((GOLDEN / family / "config.json").read_text())
    header = header_of(GOLDEN / family / "model.safetensors")
    text = config.get("text_config", config)
    layers, vocabulary = text["num_hidden_layers"], text["vocab_size"]
    size = lambda entry: math.prod(entry["shape"]) * ELEMENT_BYTES[entry["dtype"]]
    times = max(1, round(LAYER_BYTES / sum(size(entry) for name, entry in header.items() if layer_of(name))))
    times = min(times, 800 // layers)
    text["num_hidden_layers"] = layers * times
    text["vocab_size"] = VOCABULARY
    if "layer_types" in text:
        text["layer_types"] = text["layer_types"] * times

    stretched, offset = {}, 0
    for name, entry in header.items():
        shape = [VOCABULARY if extent == vocabulary and "layers." not in name else extent for extent in entry["shape"]]
        parts = layer_of(name)
        for repetition in range(times if parts else 1):
            new = f"{parts[0]}{parts[1] + repetition * layers}{parts[2]}" if parts else name
            end = offset + size({**entry, "shape": shape})
            stretched[new] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": [offset, end]}
            offset = end
    target = folder / family
    target.mkdir()
    (target / "config.json").write_text(json.dumps(config))
    encoded = json.dumps(stretched).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(target / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        file.truncate(8 + len(encoded) + offset)
    return target


@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("family", families())
def test_plan_is_what_loading_takes(tmp_path, family, sequences):
    checkpoint = stretch(tmp_path, family)
    done = subprocess.run([processes.BIN / "neuron-engine", "plan", "--model", checkpoint, "--context", str(CONTEXT),
                           "--sequences", str(sequences), "--threads", "2", "--measure", "--json"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    parts = account["weight_bytes"] + account["kv_bytes"] + account["workspace_bytes"]
    parts += account["state_bytes_per_sequence"] * account["sequences"]
    assert parts == account["total_bytes"]
    assert account["total_bytes"] > 70_000_000
    assert account["measured_bytes"] == pytest.approx(account["total_bytes"], rel=TOLERANCE)
