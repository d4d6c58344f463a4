# SPDX-License-Identifier: GPL-3.0-only
"""Damaged and hostile model files: one clear error that names the file, never a crash or a huge allocation."""
import json
import os
import random
import resource
import struct

import pytest
from processes import run

MEMORY_LIMIT = 4 << 30  # address space; a mapped 100 MB model and two threads fit many times
CPU_LIMIT = 60  # seconds; under a sanitizer the longest takes 12


def limited():
    # Work is bounded, however little of the machine the test gets: seconds of processor time, not of the clock.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
    if os.environ.get("CORTEX_SANITIZE"):
        return  # sanitizers reserve terabytes of address space for their shadow
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def assert_refused(path, *command):
    result = run(*(command or ("neuron-engine", "plan", "--model", path)), preexec_fn=limited)
    assert result.returncode == 1, f"exit status {result.returncode}: {result.stderr}"
    assert path.name in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout


def gguf_header(tensors, keys, version=3):
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize("content", [
    b"", b"GGUF", b"not a model", gguf_header(0, 0), gguf_header(1 << 60, 0), gguf_header(0, 1 << 60), gguf_header(0, 0, 99),
    gguf_header(0, 1) + struct.pack("<Q", 1 << 62),
    gguf_header(0, 1) + gguf_string(b"k") + struct.pack("<IIQ", 9, 8, 1 << 50),
    gguf_header(0, 1) + gguf_string(b"k") + struct.pack("<IIQ", 9, 9, 1),
    gguf_header(1, 0) + gguf_string(b"t") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0),
    gguf_header(1, 0) + gguf_string(b"t") + struct.pack("<IQIQ", 1, 32, 0, 1 << 60),
])
def test_hostile_gguf(tmp_path, content):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize("keep", [4, 24, 100, 5_000, 1_000_000, 2_000_000, 50_000_000])
def test_truncated_gguf(demo_model, tmp_path, keep):
    path = tmp_path / "short.gguf"
    with open(demo_model, "rb") as source:
        path.write_bytes(source.read(keep))
    assert_refused(path)


@pytest.mark.parametrize("seed", range(12))
def test_bit_flips_in_the_header_never_crash(demo_model, tmp_path, seed):
    data = bytearray(demo_model.read_bytes())
    chance = random.Random(seed)
    for _ in range(8):
        data[chance.randrange(2_000 if seed % 2 else 1_500_000)] ^= 1 << chance.randrange(8)
    path = tmp_path / "flipped.gguf"
    path.write_bytes(data)
    result = run("neuron-engine", "generate", "--model", path, "--prompt", "Hello", "-n", "2", preexec_fn=limited)
    assert result.returncode in (0, 1), f"exit status {result.returncode}: {result.stderr}"
    if result.returncode == 1:
        assert path.name in result.stderr


@pytest.mark.parametrize("content", [
    b"", b"\x08", struct.pack("<Q", 1 << 62), struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b"nope",
    struct.pack("<Q", 70) + b'{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}    ',
    struct.pack("<Q", 66) + b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}           ' + b"1234",
])
def test_hostile_safetensors(tmp_path, content):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
        "num_key_value_heads": 1, "vocab_size": 8, "rms_norm_eps": 1e-5, "max_position_embeddings": 16}))
    (folder / "model.safetensors").write_bytes(content)
    assert_refused(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}',
                                     '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}', "[" * 100_000])
def test_hostile_tokenizer(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    assert_refused(path, "neuron-engine", "tokenize", "--tokenizer", path, "--jsonl")


@pytest.mark.parametrize("source", ["{% if %}", "{{ 1 +", "{% for x in y %}", "{{ 'a' * 10000000000 }}", "{{ x }" * 3,
                                    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "(" * 50_000, "{{" + "(" * 50_000,
                                    "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"])
def test_hostile_template(tmp_path, source):
    path = tmp_path / "hostile.jinja"
    path.write_text(source)
    result = run("neuron-engine", "render", "--template", path, "--now", "2026-07-04T09:30", input='{"messages": []}',
                 preexec_fn=limited)
    if source.startswith("(") or source.startswith("{{ x }"):
        assert result.returncode in (0, 1)
    else:
        assert result.returncode == 1
        assert path.name in result.stderr
