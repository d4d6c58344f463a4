# SPDX-License-Identifier: GPL-3.0-only
"""`neuron-engine quantize`: its files load elsewhere and here, and its failures leave nothing behind."""
import json
import pathlib
import signal
import subprocess
import sys

import checkpoints
import pytest
from processes import BIN, SOURCE, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))

import greedy  # noqa: E402

COUNTING = "1, 2, 3, 4, 5,"
GOES_ON = " 6, 7, 8, 9, 10"


def tokens_of(model, text):
    done = subprocess.run([BIN / "neuron-engine", "tokenize", "--model", model, "--jsonl"], input=json.dumps(text) + "\n",
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "iq4_nl", "iq4_xs", "mxfp4", "f16"])
def test_quantized_files_load_in_llama_cpp_and_here(demo_model, tmp_path, kind):
    pytest.importorskip("xllamacpp")
    file = tmp_path / f"{kind}.gguf"
    result = run("neuron-engine", "quantize", demo_model, file, kind)
    assert result.returncode == 0, result.stderr
    assert str(file) in result.stderr and [path.name for path in tmp_path.iterdir()] == [file.name]
    prompt, expected = tokens_of(file, COUNTING), tokens_of(file, GOES_ON)
    generated = run("neuron-engine", "generate", "--model", file, "--prompt", COUNTING, "-n", len(expected),
                    "--temperature", 0, "--json")
    assert generated.returncode == 0, generated.stderr
    assert json.loads(generated.stdout)["tokens"] == expected
    peer = greedy.Xllamacpp(str(file), threads=2)
    theirs, _ = peer.generate(prompt, len(expected))
    assert theirs == expected


def test_a_disk_without_room_is_one_message(demo_model, tmp_path):
    def limit():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))

    done = subprocess.run([BIN / "neuron-engine", "quantize", demo_model, tmp_path / "out.gguf", "q8_0"], preexec_fn=limit,
                          capture_output=True, text=True)
    assert done.returncode == 1
    message = [line for line in done.stderr.splitlines() if "out.gguf" in line]
    assert len(message) == 1 and "writing failed" in message[0]
    assert not list(tmp_path.iterdir())


def test_wrong_use(demo_model, tmp_path):
    unknown = run("neuron-engine", "quantize", demo_model, tmp_path / "out.gguf", "q9_z")
    assert unknown.returncode == 2 and "q9_z" in unknown.stderr and "q4_k_m" in unknown.stderr
    same = run("neuron-engine", "quantize", demo_model, demo_model, "q8_0")
    assert same.returncode == 1 and str(demo_model) in same.stderr
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    checkpoint = run("neuron-engine", "quantize", folder, tmp_path / "out.gguf", "q8_0")
    assert checkpoint.returncode == 1 and "safetensors" in checkpoint.stderr
    assert run("neuron-engine", "quantize", demo_model).returncode == 2


def test_checkpoint_becomes_a_file_that_answers(tmp_path):
    """A safetensors directory, with tokenizer and chat template: nothing but the file is left, and it can be asked."""
    out = tmp_path / "builtin.gguf"
    done = run("neuron-engine", "quantize", SOURCE / "resources/builtin", out, "q8_0")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [out]
    answer = run("neuron-engine", "generate", "--model", out, "--chat", "What is Cortex?", "-n", "64", "--temperature", "0")
    assert answer.returncode == 0 and "Cortex makes one endpoint" in answer.stdout


def write_checkpoint(golden, folder):
    if golden.startswith(("llama", "gemma")):
        checkpoints.with_sentencepiece_tokenizer(golden, folder, prefix=golden.startswith("llama"))
    else:
        checkpoints.with_builtin_tokenizer(golden, folder)


TEXTS = ["word", "The model  reads\n\nand writes 12 tokens.", "What is Cortex? " * 12]  # the last is longer than any window


def generated_here(model, prompt, count):
    done = run("neuron-engine", "generate", "--model", model, "--tokens", "-", "-n", count, "--temperature", 0, "--json",
               input=json.dumps(prompt))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tokens"]


@pytest.mark.parametrize("golden", ["llama-llama3", "gemma3_text", "qwen3_moe", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe-separate",
                                    "qwen3_next"])
def test_checkpoints_of_every_family_answer_alike_here_and_in_llama_cpp(golden, tmp_path):
    pytest.importorskip("xllamacpp")
    folder, file = tmp_path / "checkpoint", tmp_path / "model.gguf"
    write_checkpoint(golden, folder)
    done = run("neuron-engine", "quantize", folder, file, "f32")
    assert done.returncode == 0, done.stderr
    peer = greedy.Xllamacpp(str(file), threads=2)
    for text in TEXTS:
        prompt = tokens_of(folder, text)
        assert tokens_of(file, text) == prompt
        assert peer.tokenize(text) == prompt
        ours = generated_here(folder, prompt, 24)
        assert generated_here(file, prompt, 24) == ours
        theirs, _ = peer.generate(prompt, 24)
        assert theirs == ours


@pytest.mark.parametrize("kind", ["q8_0", "q4_k_m", "iq4_xs"])
@pytest.mark.parametrize("golden", ["gemma3_text", "qwen3_moe", "qwen3_5_moe", "qwen3_next"])
def test_quantized_checkpoints_load_in_llama_cpp_and_here(golden, kind, tmp_path):
    pytest.importorskip("xllamacpp")
    folder, file = tmp_path / "checkpoint", tmp_path / "model.gguf"
    write_checkpoint(golden, folder)
    done = run("neuron-engine", "quantize", folder, file, kind)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "model.gguf"]
    prompt = tokens_of(file, TEXTS[0])
    assert len(generated_here(file, prompt, 4)) == 4
    peer = greedy.Xllamacpp(str(file), threads=2)
    assert len(peer.generate(prompt, 4)[0]) == 4
