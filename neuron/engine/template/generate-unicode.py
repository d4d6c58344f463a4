#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes unicodetables.inc: what Python's str methods know about characters, as of this interpreter's unicodedata."""
import pathlib
import sys
import unicodedata

def is_title_letter(char):
    """A letter of its own title case; str.istitle() is true of capitals too."""
    return unicodedata.category(char) == "Lt"


FLAGS = [str.isalpha, str.isdecimal, str.isdigit, str.isnumeric, str.islower, str.isupper, is_title_letter, str.isspace,
         str.isprintable]


def flags(char):
    return sum(1 << bit for bit, test in enumerate(FLAGS) if test(char))


def case_tables(convert):
    """Runs of equal offset (first, last, stride, offset), and the mappings to several characters."""
    runs, special = [], []
    for code in range(0x110000):
        mapped = convert(chr(code))
        if mapped == chr(code):
            continue
        if len(mapped) > 1:
            special.append((code, [ord(c) for c in mapped] + [0] * (3 - len(mapped))))
            continue
        offset = ord(mapped) - code
        last = runs[-1] if runs else None
        if last and last[3] == offset and (code - last[1] == last[2] or (last[0] == last[1] and code - last[1] <= 2)):
            last[2], last[1] = code - last[1], code
        else:
            runs.append([code, code, 1, offset])
    return runs, special


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 118:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


def main():
    out = ["// SPDX-License-Identifier: GPL-3.0-only", "// Written by generate-unicode.py: change that, not this.",
           "// clang-format off"]
    ranges, previous = [], None
    for code in range(0x110000):
        now = flags(chr(code))
        if now != previous:
            ranges.append("{%d,%d}" % (code, now))
            previous = now
    out += ["constexpr CharacterRange characterRanges[] = {", wrapped(ranges), "};"]
    for name, convert in (("lower", str.lower), ("upper", str.upper), ("title", str.title)):
        runs, special = case_tables(convert)
        out += [f"constexpr CaseRun {name}Runs[] = {{", wrapped("{%d,%d,%d,%d}" % tuple(r) for r in runs), "};"]
        out += [f"constexpr SpecialCase {name}Special[] = {{",
                wrapped("{%d,{%d,%d,%d}}" % (c, *m) for c, m in special), "};"]
    out.append("// clang-format on")
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("unicodetables.inc"))
    target.write_text("\n".join(out) + "\n")


main()
