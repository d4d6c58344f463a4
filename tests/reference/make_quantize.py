#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/unit/kernels/data/quantize.bin: 512 float32 values, then what the gguf package makes of them in every type
of TYPES in order. Needs numpy and gguf; quantize_test.cpp reads it."""
import pathlib

import gguf
import numpy as np

ELEMENTS = 512
TYPES = ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4"]


def main():
    random = np.random.default_rng(21)
    values = (random.standard_normal(ELEMENTS) * 0.05).astype(np.float32)
    values[32:64] = 0
    values[64:96] = np.abs(values[64:96])
    values[96:128] *= 1000
    values[128:160] = 0.25
    out = pathlib.Path(__file__).parent.parent / "unit/kernels/data/quantize.bin"
    with out.open("wb") as file:
        file.write(values.tobytes())
        for name in TYPES:
            file.write(gguf.quants.quantize(values.reshape(1, -1), gguf.GGMLQuantizationType[name]).tobytes())


if __name__ == "__main__":
    main()
