#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes neuron/engine/text/nfctables.cpp from Python's Unicode data: nfctables.py > neuron/engine/text/nfctables.cpp

Normalization of assigned characters never changes between versions of Unicode, so the file is made once and renewed
only to learn newer characters.
"""
import sys
import unicodedata

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
        parts = [int(part, 16) for part in text.split()]
        composes = unicodedata.normalize("NFC", chr(point)) == chr(point)
        assert len(parts) <= 2 and not (composes and len(parts) == 1)
        yield f"{{{point:#x}, {parts[0]:#x}, {parts[1] if len(parts) == 2 else 0:#x}, {str(composes).lower()}}}"


def combining_ranges():
    ranges = []
    for point in range(sys.maxunicode + 1):
        order = unicodedata.combining(chr(point))
        if not order:
            continue
        if ranges and ranges[-1][1] == point - 1 and ranges[-1][2] == order:
            ranges[-1][1] = point
        else:
            ranges.append([point, point, order])
    for first, last, order in ranges:
        yield f"{{{first:#x}, {last:#x}, {order}}}"


def main():
    print("// SPDX-License-Identifier: GPL-3.0-only")
    print(f"// Made by tests/reference/nfctables.py from Unicode {unicodedata.unidata_version}; do not edit.")
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
