#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/unit/kernels/data/dequantize.bin: for every type of TYPES in order, 512 elements of random bits in file
format and then the float32 values that the gguf package expands them to. Needs numpy and gguf; types_test.cpp reads it."""
import pathlib

import gguf
import numpy as np

ELEMENTS = 512
TYPES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS",
         "MXFP4"]
# Byte offsets of the float16 fields of a block.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "F16": [0]}


def make_finite(blocks, offset):
    """Clears the highest exponent bit of float16 fields, so that none is infinite; subnormals and zeros remain."""
    blocks[:, offset + 1] &= 0xBF


def main():
    random = np.random.default_rng(20)
    out = pathlib.Path(__file__).parent.parent / "unit/kernels/data/dequantize.bin"
    with out.open("wb") as file:
        for name in TYPES:
            kind = gguf.GGMLQuantizationType[name]
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            blocks = random.integers(0, 256, (ELEMENTS // elements, size), dtype=np.uint8)
            for offset in HALVES.get(name, []):
                make_finite(blocks, offset)
            if name == "MXFP4":
                blocks[:3, 0] = [0, 1, 2]  # the exponents of subnormal scales, and the first beyond
            if name == "BF16":
                make_finite(blocks, 0)
            values = gguf.quants.dequantize(blocks.reshape(-1), kind).astype(np.float32)
            assert values.size == ELEMENTS and np.isfinite(values).all()
            file.write(blocks.tobytes())
            file.write(values.tobytes())


if __name__ == "__main__":
    main()
