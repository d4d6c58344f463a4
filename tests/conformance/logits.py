#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Does neuron-engine compute the logits that transformers computes in float32?

The folder (tests/golden) holds small random checkpoints of every family with the reference's logits; tests/reference makes
it. Every checkpoint is run on every prompt length and compared at every position. A row per checkpoint; exit code 1 where
any is off by more than its tolerance (a share of the largest logit).

  tests/conformance/logits.py --neuron-engine build/release/bin/neuron-engine tests/golden [NAME...]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np


class EngineFailed(Exception):
    """neuron-engine refused; its message."""


def run(program, model, tokens, extra):
    """Logits [tokens, vocabulary] of neuron-engine."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.f32"
        done = subprocess.run([program, "logits", "--model", model, "--tokens", "-", "--out", out, *extra],
                              input=json.dumps(tokens), capture_output=True, text=True)
        if done.returncode != 0:
            raise EngineFailed(done.stderr.strip() or f"ended with {done.returncode}")
        return np.fromfile(out, "<f4").reshape(len(tokens), -1)


def compare(program, golden, folder, tokens, lengths, extra, half_cache):
    """(passed, remark) for one checkpoint."""
    reference = np.fromfile(folder / golden["logits"], "<f4").reshape(-1, golden["vocabulary"])
    worst, where = 0.0, ""
    for length in lengths:
        ours = run(program, folder / golden["model"], tokens[:length], extra)
        if ours.shape != (length, golden["vocabulary"]):
            return False, f"{ours.shape[1]} logits a row, not {golden['vocabulary']}"
        delta = np.abs(ours - reference[:length])
        if not np.isfinite(delta).all():
            return False, f"not a finite number at position {np.argwhere(~np.isfinite(ours))[0][0]} of {length}"
        share = delta.max() / np.abs(reference[:length]).max()
        if share > worst:
            worst = share
            where = f" (position {np.unravel_index(delta.argmax(), delta.shape)[0]} of {length})"
    tolerance = golden["tolerance"] + (golden["half_cache"] if half_cache else 0)
    return bool(worst <= tolerance), f"{worst:.1e} of {tolerance:.1e}{where}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron-engine", default="build/release/bin/neuron-engine")
    parser.add_argument("--isa", help="force an instruction path of neuron-engine")
    parser.add_argument("--half-cache", action="store_true",
                        help="the engine keeps keys and values in float16: allow what that alone changes in the reference")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="only these")
    options = parser.parse_args()
    manifest = json.loads((options.folder / "manifest.json").read_text())
    goldens = [g for g in manifest["goldens"] if not options.names or g["name"] in options.names]
    if not goldens:
        parser.error("no golden of that name")
    tokens = json.loads((options.folder / manifest["tokens"]).read_text())
    extra = ["--threads", str(options.threads)] + (["--isa", options.isa] if options.isa else [])
    failures = 0
    for golden in goldens:
        try:
            passed, remark = compare(options.neuron_engine, golden, options.folder, tokens, manifest["lengths"], extra,
                                     options.half_cache)
        except EngineFailed as failure:
            passed, remark = False, str(failure)
        failures += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {golden['name']:22} {remark}", flush=True)
    print(f"{len(goldens) - failures} of {len(goldens)} agree")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
