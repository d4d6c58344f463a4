#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/unit/engine/data/tinyllama.f32: logits of small random Llamas, computed plainly in double precision.

The weights are not stored: the test (tests/unit/engine/tinyllama.cpp) and this script make the same ones from their
names. Every value is a small multiple of a power of two, exact in float16, bfloat16 and Q8_0. The file holds, one after
the other for each variant below, float32 logits [24 tokens, 80].
"""
import pathlib

import numpy as np

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, INNER, VOCABULARY, TOKENS = 64, 2, 4, 2, 16, 96, 80, 24
EPSILON = 1e-5
MASK = (1 << 64) - 1

VARIANTS = [
    # Interleaved pairs, tied: GGUF.
    dict(pairing="interleaved", tied=True),
    # The same, untied, frequencies divided by 1, 2, … 8 as rope_freqs.weight says, base 500000.
    dict(pairing="interleaved", tied=False, base=500000.0, divisors=np.arange(1, 9)),
    # Half-split pairs, llama3 scaling, biases: safetensors.
    dict(pairing="half", tied=False, base=500000.0, bias=True,
         llama3=dict(factor=8.0, low=1.0, high=4.0, original=64)),
    # Mistral: sliding window of 8; YaRN.
    dict(pairing="half", tied=False, window=8, yarn=dict(factor=4.0, fast=32.0, slow=1.0, original=64)),
]


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def noise(name, count):
    """`count` signed bytes that belong to a name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    raw = np.array([mix((seed + i * 0x9E3779B97F4A7C15) & MASK) >> 56 for i in range(count)], dtype=np.int64)
    return np.where(raw > 127, raw - 256, raw)


def matrix(name, rows, columns):
    return noise(name, rows * columns).reshape(rows, columns) / 256.0


def norm(name):
    return 1 + (np.abs(noise(name, HIDDEN)) >> 1) / 128.0


def frequencies(variant):
    base = variant.get("base", 10000.0)
    f = base ** (-2.0 * np.arange(HEAD_DIM // 2) / HEAD_DIM) / variant.get("divisors", 1)
    magnitude = 1.0
    if "llama3" in variant:
        p = variant["llama3"]
        wavelength = 2 * np.pi / f
        low, high = p["original"] / p["low"], p["original"] / p["high"]
        smooth = (p["original"] / wavelength - p["low"]) / (p["high"] - p["low"])
        between = (1 - smooth) * f / p["factor"] + smooth * f
        f = np.where(wavelength > low, f / p["factor"], np.where(wavelength < high, f, between))
    if "yarn" in variant:
        p = variant["yarn"]

        def corner(turns):
            return HEAD_DIM * np.log(p["original"] / (turns * 2 * np.pi)) / (2 * np.log(base))

        first = max(np.floor(corner(p["fast"])), 0)
        last = min(np.ceil(corner(p["slow"])), HEAD_DIM - 1)
        kept = 1 - np.clip((np.arange(HEAD_DIM // 2) - first) / max(last - first, 0.001), 0, 1)
        f = f / p["factor"] * (1 - kept) + f * kept
        magnitude = 0.1 * np.log(p["factor"]) + 1
    return f, magnitude


def rotate(x, variant):
    f, magnitude = frequencies(variant)
    angle = np.arange(len(x))[:, None, None] * f
    c, s = np.cos(angle) * magnitude, np.sin(angle) * magnitude
    out = np.empty_like(x)
    half = HEAD_DIM // 2
    a, b = (np.s_[..., 0::2], np.s_[..., 1::2]) if variant["pairing"] == "interleaved" else (np.s_[..., :half], np.s_[..., half:])
    out[a], out[b] = x[a] * c - x[b] * s, x[b] * c + x[a] * s
    return out


def rms(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight


def logits(variant, tokens):
    n = len(tokens)
    embedding = matrix("token_embd.weight", VOCABULARY, HIDDEN)
    h = embedding[tokens]
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    hidden = (distance < 0) | (distance >= variant.get("window", n))
    for layer in range(LAYERS):
        p = f"blk.{layer}."

        def project(x, name, rows, columns):
            bias = noise(p + name + ".bias", rows) / 256.0 if variant.get("bias") else 0
            return x @ matrix(p + name + ".weight", rows, columns).T + bias

        x = rms(h, norm(p + "attn_norm.weight"))
        q = rotate(project(x, "attn_q", HEADS * HEAD_DIM, HIDDEN).reshape(n, HEADS, HEAD_DIM), variant)
        k = rotate(project(x, "attn_k", KV_HEADS * HEAD_DIM, HIDDEN).reshape(n, KV_HEADS, HEAD_DIM), variant)
        v = project(x, "attn_v", KV_HEADS * HEAD_DIM, HIDDEN).reshape(n, KV_HEADS, HEAD_DIM)
        k, v = (np.repeat(t, HEADS // KV_HEADS, axis=1) for t in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD_DIM)
        scores = np.where(hidden, -np.inf, scores)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        attended = np.einsum("hij,jhd->ihd", weights, v).reshape(n, HEADS * HEAD_DIM)
        h = h + project(attended, "attn_output", HIDDEN, HEADS * HEAD_DIM)
        x = rms(h, norm(p + "ffn_norm.weight"))
        gate = x @ matrix(p + "ffn_gate.weight", INNER, HIDDEN).T
        up = x @ matrix(p + "ffn_up.weight", INNER, HIDDEN).T
        h = h + (gate / (1 + np.exp(-gate)) * up) @ matrix(p + "ffn_down.weight", HIDDEN, INNER).T
    head = embedding if variant["tied"] else matrix("output.weight", VOCABULARY, HIDDEN)
    return rms(h, norm("output_norm.weight")) @ head.T


def main():
    tokens = [(i * 37 + 11) % VOCABULARY for i in range(TOKENS)]
    out = pathlib.Path(__file__).resolve().parents[1] / "unit/engine/data/tinyllama.f32"
    np.stack([logits(variant, tokens) for variant in VARIANTS]).astype("<f4").tofile(out)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
