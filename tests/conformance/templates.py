#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Renders every row of a folder of chat templates with `neuron-engine render` and compares byte for byte.

The folder holds *.jinja files and expected.jsonl: {"template", "case", "context", "expected" | "raises"}.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys


def render(program, template, contexts, now):
    """One answer per context: {"prompt"} or {"error"}."""
    lines = "".join(json.dumps(context, ensure_ascii=False) + "\n" for context in contexts)
    result = subprocess.run([program, "render", "--template", template, "--now", now, "--jsonl"], input=lines,
                            capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


def agrees(row, answer):
    if "raises" in row:
        return "error" in answer and str(row["raises"]) in answer["error"]
    return answer.get("prompt") == row["expected"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron-engine", default="build/release/bin/neuron-engine")
    parser.add_argument("--now", default="2026-07-04T09:30")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if not (arguments.folder / "expected.jsonl").exists():
        print(f"skipped: no {arguments.folder}/expected.jsonl")
        return 77
    rows = collections.defaultdict(list)
    for line in (arguments.folder / "expected.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows[row["template"]].append(row)
    failed = total = 0
    for template, cases in rows.items():
        answers = render(arguments.neuron_engine, arguments.folder / template, [row["context"] for row in cases], arguments.now)
        wrong = [row["case"] for row, answer in zip(cases, answers, strict=True) if not agrees(row, answer)]
        total += len(cases)
        failed += len(wrong)
        print(f"{template}: {len(cases) - len(wrong)} of {len(cases)}" + (f", wrong: {', '.join(wrong)}" if wrong else ""))
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
