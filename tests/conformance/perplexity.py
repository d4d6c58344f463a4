#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Perplexity of a model in every quantized type, ours beside llama.cpp's on the same file.

`neuron-engine quantize` makes a file of each type from MODEL (by way of float32). Both programs then read the same text,
chunks of 512 tokens of which the second half counts, as llama-perplexity has it. Printed per type: our perplexity and
llama.cpp's on our file, their ratio, our mean KL divergence from the float32 file, and, with --llama-quantize, llama.cpp's
perplexity on a file that its own quantizer made (`theirs`) beside ours. Exit code 1 where ours and llama.cpp's differ by
more than one per cent on a file, or our quantizer's file is more than one per cent worse than theirs; 77 (skipped) without
llama-perplexity, numpy or gguf.

  tests/conformance/perplexity.py --engine build/release/bin/neuron-engine --model model.gguf \\
      --llama-perplexity PATH [--llama-quantize PATH] [--types q4_k_m,q2_k] [--chunks N]
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

from gguffile import adds_bos

CHUNK = 512
LIMIT = 0.01
ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXTS = ["README.md", "HACKING.md", "kernels/README.md", "neuron/engine/text/README.md"]
TYPES = ["f32", "bf16", "f16", "q8_0", "q6_k", "q5_k_m", "q5_k", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_k", "q4_1", "q4_0",
         "iq4_nl", "iq4_xs", "mxfp4", "q3_k_m", "q3_k", "q2_k"]
# Types of ours that llama-quantize knows by another name; those it has not got are not made by it.
THEIR_NAMES = {"q4_k": None, "q5_k": "q5_k_s", "q3_k": "q3_k_s", "mxfp4": None}


def run(*command, text=None):
    done = subprocess.run([str(c) for c in command], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"perplexity.py: {' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done


class Ours:
    def __init__(self, options, folder, text):
        self.options = options
        self.folder = folder
        bos = adds_bos(options.model)
        tokens = json.loads(run(options.engine, "tokenize", "--model", options.model, "--jsonl", *["--bos"] * bos,
                                text=json.dumps(text) + "\n").stdout)
        count = min(options.chunks or len(tokens), len(tokens) // CHUNK)
        if count == 0:
            sys.exit("perplexity.py: the text is shorter than one chunk")
        self.chunks = [tokens[CHUNK * i:CHUNK * (i + 1)] for i in range(count)]
        if bos:  # as llama-perplexity does it: in place of the first token of every chunk
            self.chunks = [[tokens[0]] + chunk[1:] for chunk in self.chunks]

    def log_probabilities(self, model):
        """Of every counting position: float32 [chunks, CHUNK / 2 - 1, vocabulary], chunk by chunk."""
        tokens, out = self.folder / "tokens.json", self.folder / "logits.bin"
        for chunk in self.chunks:
            tokens.write_text(json.dumps(chunk))
            run(self.options.engine, "logits", "--model", model, "--tokens", tokens, "--out", out, "--threads",
                self.options.threads)
            logits = np.fromfile(out, dtype=np.float32).reshape(CHUNK, -1)[CHUNK // 2:-1]
            logits -= logits.max(axis=1, keepdims=True)
            yield chunk, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def perplexity(self, model, reference=None):
        """Perplexity, and the mean KL divergence from `reference`, which is filled in where it is empty."""
        loss, divergence, count = 0.0, 0.0, 0
        fill = reference is not None and not reference
        for index, (chunk, log_probs) in enumerate(self.log_probabilities(model)):
            following = np.array(chunk[CHUNK // 2 + 1:])
            loss -= log_probs[np.arange(len(following)), following].astype(np.float64).sum()
            count += len(following)
            if fill:
                reference.append(log_probs.astype(np.float16))
            elif reference:
                base = reference[index].astype(np.float32)
                divergence += float((np.exp(base) * (base - log_probs)).sum(dtype=np.float64))
        return math.exp(loss / count), divergence / count


def llama_perplexity(options, model, text_file, chunks):
    done = run(options.llama_perplexity, "-m", model, "-f", text_file, "-c", CHUNK, "-b", CHUNK, "--chunks", chunks, "-t",
               options.threads, "--no-warmup")
    found = re.search(r"Final estimate: PPL = ([0-9.]+)", done.stdout + done.stderr)
    if not found:
        sys.exit(f"perplexity.py: no perplexity in the output of {options.llama_perplexity}")
    return float(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--llama-perplexity", required=True)
    parser.add_argument("--llama-quantize")
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--chunks", type=int, help="the text's first N only: quicker, and noisier by far")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not pathlib.Path(options.llama_perplexity).exists():
        print(f"skipped: {options.llama_perplexity} is not there")
        return 77

    text = "\n".join((ROOT / name).read_text() for name in TEXTS if (ROOT / name).exists())
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text_file = folder / "text.txt"
        text_file.write_text(text)
        ours = Ours(options, folder, text)
        chunks = len(ours.chunks)
        base = folder / "f32.gguf"
        run(options.engine, "quantize", options.model, base, "f32")
        reference = []
        base_perplexity, _ = ours.perplexity(base, reference)
        print(f"{chunks} chunks of {CHUNK} tokens; float32: {base_perplexity:.4f}")
        print(f"{'type':8} {'MiB':>6} {'ours':>9} {'llama.cpp':>9} {'ratio':>8} {'mean KL':>8} {'theirs':>9} {'quantizer':>9}",
              flush=True)
        for kind in options.types.split(","):
            file = base if kind == "f32" else folder / f"{kind}.gguf"
            if file != base:
                run(options.engine, "quantize", base, file, kind)
            mine, divergence = ours.perplexity(file, reference)
            peer = llama_perplexity(options, file, text_file, chunks)
            row = f"{kind:8} {file.stat().st_size / 2**20:6.1f} {mine:9.4f} {peer:9.4f} {mine / peer:8.5f} {divergence:8.5f}"
            if abs(mine / peer - 1) > LIMIT:
                failed.append(kind)
            their_name = THEIR_NAMES.get(kind, kind)
            if options.llama_quantize and file != base and their_name:
                their_file = folder / f"theirs-{kind}.gguf"
                run(options.llama_quantize, base, their_file, their_name, options.threads)
                theirs = llama_perplexity(options, their_file, text_file, chunks)
                row += f" {theirs:9.4f} {peer / theirs:9.5f}"
                if peer / theirs > 1 + LIMIT:
                    failed.append(kind + " (quantizer)")
                their_file.unlink()
            print(row, flush=True)
            if file != base:
                file.unlink()
    if failed:
        print("more than one per cent apart: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        import gguf  # noqa: F401, for adds_bos
        import numpy as np
    except ImportError as missing:
        print(f"skipped: {missing.name} is not there")
        sys.exit(77)
    sys.exit(main())
