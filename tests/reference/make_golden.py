#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/golden: the small random checkpoints of goldencheckpoints.py with transformers' logits in float32.

Each checkpoint is written, read back by transformers from disk (so the tensors' names and packing are the real ones) and run
on one prompt of 200 tokens; its logits at every position are kept. Logits of the shorter prompts are prefixes of them: this
script runs each length by itself, as a prompt and token by token over a cache, and fails where the two differ. It also fails
where the outcome hangs on rounding: where a router's choice is a near tie.

The manifest names, for every checkpoint, its logits, the tolerance (a share of the largest logit) and `half_cache`, the share
by which logits move when nothing but keys and values is rounded to float16.

With --llama-cpp, checkpoints marked so are also written as GGUF by llama.cpp's converter.

  make_golden.py [--llama-cpp DIRECTORY]
"""
import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
import torch
import transformers
from transformers.utils import logging as transformers_logging

import goldencheckpoints as golden

LENGTHS = [1, 63, 64, 65, 200]
TOLERANCE = 2e-4  # of the largest logit, as the issue asks
ROUNDING = 2e-5  # transformers against itself
CLEAR_CHOICE = 2e-3  # of the router's logits, between the last expert chosen and the first one not


def prompt():
    return [(37 * i * i + 11 * i + 5) % golden.VOCABULARY for i in range(max(LENGTHS))]


def model_class(checkpoint):
    return getattr(transformers, checkpoint.config["architectures"][0])


def parameter_shapes(folder, checkpoint):
    """Shapes of what transformers would store, without making it."""
    cls = model_class(checkpoint)
    config = cls.config_class.from_pretrained(folder)
    with torch.device("meta"):
        model = cls(config)
    shapes = {name: list(p.shape) for name, p in model.named_parameters()}
    return {name: shape for name, shape in shapes.items() if not (name == "lm_head.weight" and checkpoint.text_config["tie_word_embeddings"])}


def load(folder, checkpoint):
    model, info = model_class(checkpoint).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                          output_loading_info=True)
    for key in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        left = [k for k in info[key] if not str(k).startswith("mtp.")]
        if left:
            sys.exit(f"make_golden.py: {folder}: transformers reports {key} {sorted(left)[:5]}")
    return model.eval()


def logits_of(model, tokens):
    return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]


def logits_by_steps(model, tokens):
    cache, rows = None, []
    for token in tokens:
        out = model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        rows.append(out.logits[0, 0])
    return torch.stack(rows)


def watch_routers(model, checkpoint):
    """Collects, for every decision, how far the last expert chosen is above the first one not chosen."""
    gaps = []
    top = checkpoint.text_config.get("num_experts_per_tok", 0)

    def hook(module, inputs, _):
        scores = torch.nn.functional.linear(inputs[0].reshape(-1, module.weight.shape[1]), module.weight)
        best = scores.topk(top + 1).values
        gaps.append((best[:, top - 1] - best[:, top]).min().item())

    for name, module in model.named_modules():
        if top and name.endswith("mlp.gate"):
            module.register_forward_hook(hook)
    return gaps


def distance(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def half_cache_distance(model, tokens, whole):
    """How far logits move when keys and values are rounded to float16, as a cache of that type holds them."""
    module = sys.modules[type(model).__module__]
    attention = module.eager_attention_forward

    def rounded(layer, query, key, value, *rest, **named):
        return attention(layer, query, key.half().float(), value.half().float(), *rest, **named)

    module.eager_attention_forward = rounded
    try:
        return distance(logits_of(model, tokens), whole)
    finally:
        module.eager_attention_forward = attention


def reference_logits(folder, checkpoint, tokens):
    """(logits [tokens, vocabulary], what a float16 cache alone changes)"""
    model = load(folder, checkpoint)
    gaps = watch_routers(model, checkpoint)
    whole = logits_of(model, tokens)
    if gaps and min(gaps) < CLEAR_CHOICE:
        sys.exit(f"make_golden.py: {checkpoint.name}: a router is {min(gaps):.1e} from a tie; give it another seed")
    noise = 0.0
    for length in LENGTHS:
        noise = max(noise, distance(logits_of(model, tokens[:length]), whole[:length]))
    noise = max(noise, distance(logits_by_steps(model, tokens), whole))
    if noise > ROUNDING:
        sys.exit(f"make_golden.py: {checkpoint.name}: transformers' own forms differ by {noise:.1e}")
    half = half_cache_distance(model, tokens, whole)
    print(f"{checkpoint.name}: max|logit| {whole.abs().max():.2f}, spread {whole.std():.2f}, own noise {noise:.1e}, "
          f"narrowest routing {min(gaps, default=float('inf')):.1e}, with a float16 cache {half:.1e}", flush=True)
    return whole, half


def convert(folder, target, checkpoint, llama_cpp):
    subprocess.run([sys.executable, pathlib.Path(__file__).with_name("convert_gguf.py"), "--llama-cpp", llama_cpp,
                    folder, target] + ([] if checkpoint.mtp else ["--no-mtp"]), check=True)


def make(checkpoint, out, tokens, options):
    """Writes one checkpoint and its logits; its lines of the manifest."""
    folder = out / checkpoint.name
    source = checkpoint.weights_of or checkpoint.name
    golden.write(checkpoint, {}, folder)  # the configuration, for the shapes
    golden.write(checkpoint, golden.tensors_of(checkpoint, parameter_shapes(folder, checkpoint)), folder)
    # In this family transformers reads experts one by one from no file: the logits are those of the fused ones.
    unreadable = checkpoint.family == "qwen3_5_moe" and checkpoint.experts == "separate"
    whole, half = reference_logits(out / source if unreadable else folder, checkpoint, tokens)
    if checkpoint.weights_of:
        stored = torch.from_numpy(np.fromfile(out / f"{source}.f32", "<f4")).reshape(len(tokens), -1)
        if not torch.equal(whole, stored):
            sys.exit(f"make_golden.py: {checkpoint.name} does not have the logits of {source}")
    else:
        whole.numpy().astype("<f4").tofile(out / f"{source}.f32")
    entry = dict(name=checkpoint.name, family=checkpoint.family, model=checkpoint.name, logits=f"{source}.f32",
                 vocabulary=golden.VOCABULARY, tolerance=TOLERANCE, half_cache=float(f"{half:.2g}"))
    if not checkpoint.gguf:
        return [entry]
    gguf = f"{checkpoint.name}.gguf"
    if options.llama_cpp:
        convert(folder, out / gguf, checkpoint, options.llama_cpp)
    return [entry, entry | dict(name=gguf, model=gguf)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=pathlib.Path, help="a llama.cpp source tree")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    out = golden.checkpoint_folder()
    tokens = prompt()
    (out / "tokens.json").write_text(json.dumps(tokens) + "\n")
    entries = [make(checkpoint, out, tokens, options) for checkpoint in golden.CHECKPOINTS]
    manifest = dict(tokens="tokens.json", lengths=LENGTHS, goldens=[e for pair in entries for e in pair])
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
