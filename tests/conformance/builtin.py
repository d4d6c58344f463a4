#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Does neuron-engine say with the built-in model what transformers says?

Greedy continuations (greedy.json) have to be equal token by token; questions (questions.json) go through chat template and
tokenizer, and the answers have to be the expected ones, ending by themselves. tests/reference/make_builtin_golden.py
makes both files.

  tests/conformance/builtin.py --neuron-engine build/release/bin/neuron-engine resources/builtin tests/golden/builtin
"""
import argparse
import json
import pathlib
import subprocess
import sys


class Engine:
    def __init__(self, program, model):
        self.program, self.model = program, model

    def run(self, command, text, *arguments):
        done = subprocess.run([self.program, command, "--model", self.model, *arguments], input=text, capture_output=True,
                              text=True)
        if done.returncode != 0:
            sys.exit(f"builtin.py: neuron-engine {command} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def generate(self, tokens, count, *arguments):
        return json.loads(self.run("generate", json.dumps(tokens), "--tokens", "-", "-n", str(count), "--temperature", "0",
                                   "--threads", "1", "--json", *arguments))

    def prompts(self, conversations):
        """Token ids of conversations that the assistant is to continue."""
        contexts = "".join(json.dumps({"messages": c, "add_generation_prompt": True}) + "\n" for c in conversations)
        rendered = [json.loads(line)["prompt"] for line in self.run("render", contexts, "--jsonl").splitlines()]
        lines = self.run("tokenize", "".join(json.dumps(text) + "\n" for text in rendered), "--jsonl")
        return [json.loads(line) for line in lines.splitlines()]


def greedy(engine, folder):
    failures = 0
    for number, row in enumerate(json.loads((folder / "greedy.json").read_text())):
        wanted = row["continuation"]
        ours = engine.generate(row["prompt"], len(wanted), "--ignore-eos")["tokens"]
        same = next((i for i, (a, b) in enumerate(zip(ours, wanted)) if a != b), min(len(ours), len(wanted)))
        failures += ours != wanted
        print(f"{'ok  ' if ours == wanted else 'FAIL'} greedy {number}: {same} of {len(wanted)} tokens equal", flush=True)
    return failures


def questions(engine, folder):
    rows = json.loads((folder / "questions.json").read_text())
    failures = 0
    for row, prompt in zip(rows, engine.prompts([row["messages"] for row in rows]), strict=True):
        said = engine.generate(prompt, 160)
        good = said["text"] == row["answer"] and said["finish_reason"] == "stop"
        failures += not good
        if not good:
            print(f"FAIL {row['messages'][-1]['content']}: {said['text']} ({said['finish_reason']})", flush=True)
    print(f"{len(rows) - failures} of {len(rows)} questions answered")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron-engine", default="build/release/bin/neuron-engine")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    engine = Engine(options.neuron_engine, options.model)
    failures = greedy(engine, options.folder) + questions(engine, options.folder)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
