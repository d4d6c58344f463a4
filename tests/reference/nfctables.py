#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes neuron/engine/text/nfctables.cpp from Python's Unicode data: nfctables.py > neuron/engine/text/nfctables.cpp

The Hugging Face `tokenizers` library, which models are trained with, normalizes by an older Unicode than Python: newer
characters pass it untouched, and so they must pass ours. It is asked about each.
"""
import sys
import unicodedata

from tokenizers.normalizers import NFC

HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic


def rows(items, width=116):
    line = ""
    for item in items:
        if len(line) + len(item) + 2 > width:
            yield "    " + line.rstrip()
            line = ""
        line += item + ", "
    yield "    " + line.rstrip()


def decompositions():
    for point in range(sys.maxunicode + 1):
        text = unicodedata.decomposition(chr(point))
        if not text or text.startswith("<") or point in HANGUL:
            continue
        if NFC().normalize_str(unicodedata.normalize("NFD", chr(point))) != unicodedata.normalize("NFC", chr(point)):
            continue
        parts = [int(part, 16) for part in text.split()]
        composes = unicodedata.normalize("NFC", chr(point)) == chr(point)
        assert len(parts) <= 2 and not (composes and len(parts) == 1)
        yield f"{{{point:#x}, {parts[0]:#x}, {parts[1] if len(parts) == 2 else 0:#x}, {str(composes).lower()}}}"


def is_reordered(point, order):
    """Whether the library knows the class: it swaps the character with one of another class that must come after it."""
    if order < 240:
        pair = "\u0345" + chr(point)  # U+0345 has class 240, the highest
    else:
        pair = chr(point) + "\u0334"  # U+0334 has class 1
    return NFC().normalize_str(pair) == pair[::-1]


def combining_ranges():
    ranges = []
    for point in range(sys.maxunicode + 1):
        order = unicodedata.combining(chr(point))
        if not order or not is_reordered(point, order):
            continue
        if ranges and ranges[-1][1] == point - 1 and ranges[-1][2] == order:
            ranges[-1][1] = point
        else:
            ranges.append([point, point, order])
    for first, last, order in ranges:
        yield f"{{{first:#x}, {last:#x}, {order}}}"


def main():
    print("// SPDX-License-Identifier: GPL-3.0-only")
    print("// Made by tests/reference/nfctables.py; do not edit.")
    print('#include "neuron/engine/text/nfctables.h"\n')
    print("namespace cortex::engine {\n\n// clang-format off")
    print("static constexpr Decomposition decompositionTable[] = {")
    print("\n".join(rows(decompositions())))
    print("};\n\nstatic constexpr CombiningRange combiningTable[] = {")
    print("\n".join(rows(combining_ranges())))
    print("};\n// clang-format on\n")
    print("const std::span<const Decomposition> decompositions(decompositionTable);")
    print("const std::span<const CombiningRange> combiningRanges(combiningTable);\n")
    print("} // namespace cortex::engine")


main()
