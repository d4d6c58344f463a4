#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Does neuron-engine continue prompts as llama.cpp does, greedily, on the same GGUF file?

For each of twenty prompts (ten plain, ten in the model's chat template; a file without one gets ten more plain ones) both
get the same token ids, plain ones behind bos where the file wants that. Their outputs have to agree for at least 48 tokens
(or to the end), or to part at a near tie: the two candidates within 0.15 in either program's logits of that position. Both
gaps are printed.

Both round activations to int8, each in its own way, and a small model may move by more than 0.15 of a logit for that alone.
A wider parting is therefore put before a judge: llama.cpp with the same weights expanded to float32, where nothing is
rounded. The row says "ok" where the candidates are within 0.15 there (the near tie is the model's, and both programs
overdrew it), or where the judge chooses our token (the error is llama.cpp's), and FAIL where it takes llama.cpp's side: then
the error is ours. The last line counts the rows of both kinds; --no-judge fails these too. Prints a row per prompt; exit
code 1 where any prompt fails.

With --unrounded neither program rounds anything: each computes in float32 with the weights of the file as they are, ours
expanding them while it loads and llama.cpp reading a file of the expanded ones. No judge is asked then: every parting that
is no near tie is a fault.

The peer is a llama-server binary (--llama-server), or else the llama.cpp within the PyPI package xllamacpp. A llama-server
whose Vulkan backend computes in float32 needs no expanded file (--quant f32 --no-judge; llama-server-float32 starts one).
How far llama.cpp agrees with itself, --instead tells: a second build of it then takes neuron-engine's place.

  tests/conformance/greedy.py --engine build/release/bin/neuron-engine --model model.gguf [--llama-server PATH]
"""
import argparse
import json
import math
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from gguffile import adds_bos

NEAR_TIE = 0.15

PLAIN = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "The three laws of thermodynamics state that",
    "Dear Sir or Madam,\n\nI am writing to",
    "1, 2, 3, 4, 5,",
    "Photosynthesis is the process by which",
    "In 1969, Neil Armstrong",
    "Ingredients:\n- 2 cups of flour\n- 1 cup of sugar\n",
    "The difference between a virus and a bacterium is",
]
CHAT = [
    "Write a short greeting for a new colleague.",
    "Explain gravity to a child in two sentences.",
    "List three uses of a paper clip.",
    "What is the boiling point of water at sea level?",
    "Write a haiku about autumn.",
    "How do I sort a list in Python?",
    "Summarise the plot of Romeo and Juliet.",
    "Give me a recipe for pancakes.",
    "Why is the sky blue?",
    "Translate 'good morning' into Spanish.",
]
# Of a model without a chat template, in place of CHAT.
MORE_PLAIN = [
    "La Révolution française a commencé en",
    "Die wichtigsten Zutaten für ein gutes Brot sind",
    "El sol es una estrella que",
    "日本の首都は",
    "Столица России —",
    "#include <stdio.h>\n\nint main(void)\n{\n    ",
    "SELECT name, age FROM users WHERE",
    "Shopping list:\n* apples\n* bread\n*",
    "<html>\n<head>\n<title>",
    "Q: What is the largest planet of the solar system?\nA:",
]


class Engine:
    def __init__(self, options):
        self.options = options

    def run(self, *arguments, text=None):
        command = [self.options.engine, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"greedy.py: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def loading(self):
        quant = ["--quant", self.options.quant] if self.options.quant else []
        cache = ["--cache-type", "f32" if self.options.unrounded else "f16"]
        return ["--model", self.options.model, "--threads", str(self.options.threads), *quant, *cache]

    def has_template(self):
        done = subprocess.run([self.options.engine, "render", "--model", self.options.model, "--jsonl"], input="",
                              capture_output=True, text=True)
        if done.returncode != 0 and "has no chat template" not in done.stderr:
            sys.exit(f"greedy.py: neuron-engine render ended with {done.returncode}: {done.stderr.strip()}")
        return done.returncode == 0

    def render(self, message):
        context = {"messages": [{"role": "user", "content": message}], "add_generation_prompt": True}
        out = self.run("render", "--model", self.options.model, "--now", "2026-07-04T09:30", "--jsonl",
                       text=json.dumps(context) + "\n")
        return json.loads(out)["prompt"]

    def tokenize(self, text, bos):
        out = self.run("tokenize", "--model", self.options.model, "--jsonl", *["--bos"] * bos, text=json.dumps(text) + "\n")
        return json.loads(out)

    def generate(self, tokens):
        out = self.run("generate", *self.loading(), "--tokens", "-", "-n", str(self.options.n), "--temperature", "0", "--json",
                       text=json.dumps(tokens))
        return json.loads(out)["tokens"]

    def expand(self, folder):
        """A file in `folder` of the model's weights in float32."""
        model = os.path.join(folder, "f32.gguf")
        self.run("quantize", self.options.model, model, "f32")
        return model

    def gap(self, tokens, a, b):
        """How far the logits of `a` and `b` are apart behind the last of `tokens`."""
        with tempfile.NamedTemporaryFile(suffix=".f32") as out:
            self.run("logits", *self.loading(), "--tokens", "-", "--out", out.name,
                     text=json.dumps(tokens))
            data = out.read()
        row = len(data) // len(tokens)
        logits = struct.unpack(f"<{row // 4}f", data[-row:])
        return abs(logits[a] - logits[b])


def completion_request(tokens, count):
    return {"prompt": tokens, "n_predict": count, "temperature": 0, "return_tokens": True, "cache_prompt": False, "n_probs": 20}


def completion(answer):
    """(tokens, for each of them {id: log probability} of the likeliest)"""
    steps = answer.get("completion_probabilities", [])
    return answer["tokens"], [{top["id"]: top["logprob"] for top in step["top_logprobs"]} for step in steps]


class Peer:
    """A llama.cpp that answers on a loopback address."""

    def generate(self, tokens, count):
        body = json.dumps(completion_request(tokens, count)).encode()
        request = urllib.request.Request(self.url + "/completion", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return completion(json.load(answer))

    def tokenize(self, text):
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = urllib.request.Request(self.url + "/tokenize", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)["tokens"]


class LlamaServer(Peer):
    """llama-server on a free port."""

    def __init__(self, binary, model, threads, unrounded=False):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary, "-m", model, "--host", "127.0.0.1", "--port", str(port),
                                         "-t", str(threads), "-np", "1", "-c", "2048",
                                         *(["-fa", "off", "-ctk", "f32", "-ctv", "f32"] if unrounded else [])],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        while True:
            if self.process.poll() is not None:
                self.log.seek(0)
                sys.exit("greedy.py: llama-server ended: " + self.log.read()[-800:].decode(errors="replace"))
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)  # until it listens and has loaded

    def close(self):
        self.process.terminate()
        self.process.wait()


class Xllamacpp(Peer):
    """The llama.cpp that the PyPI package carries, in this process; it too listens on a port of the loopback."""

    def __init__(self, model, threads, unrounded=False):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = model
        params.n_ctx = 2048
        params.n_parallel = 1
        params.cpuparams.n_threads = threads
        if unrounded:
            params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self.server = xllamacpp.Server(params)
        self.url = self.server.listening_address

    def close(self):
        pass


def peer_for(options, model):
    if options.llama_server:
        return LlamaServer(options.llama_server, model, options.threads, options.unrounded)
    return Xllamacpp(model, options.threads, options.unrounded)


class Instead:
    """A llama-server in neuron-engine's place."""

    def __init__(self, options):
        self.server, self.count = LlamaServer(options.instead, options.model, options.threads), options.n

    def generate(self, tokens):
        return self.server.generate(tokens, self.count)[0]

    def gap(self, tokens, a, b):
        return gap_of(self.server.generate(tokens, 1)[1][0], a, b)

    def close(self):
        self.server.close()


def gap_of(likely, a, b):
    """How far two tokens are apart in {id: log probability}; infinite where one is not in it."""
    return abs(likely[a] - likely[b]) if a in likely and b in likely else math.inf


class Judge:
    """llama.cpp on the model's weights in float32; made when it is first asked, since the file is large."""

    def __init__(self, engine, options, folder):
        self.engine, self.options, self.folder, self.peer = engine, options, folder, None
        self.ties, self.ours = 0, 0

    def accepts(self, tokens, ours, theirs):
        """(whether the parting is no error of ours, what was found)"""
        lead = self.lead(tokens, ours, theirs)
        self.ties += abs(lead) <= NEAR_TIE
        self.ours += lead > NEAR_TIE
        if abs(lead) <= NEAR_TIE:
            return True, f"a near tie in float32, {abs(lead):.3f}"
        return lead > 0, f"in float32 {'ours' if lead > 0 else 'theirs'} leads by {abs(lead):.3f}"

    def lead(self, tokens, ours, theirs):
        """How far `ours` is above `theirs` behind `tokens`; infinite where only one of them is among the likeliest."""
        if not self.peer:
            self.peer = peer_for(self.options, self.engine.expand(self.folder))
        likely = self.peer.generate(tokens, 1)[1][0]
        return likely.get(ours, -math.inf) - likely.get(theirs, -math.inf) if ours in likely or theirs in likely else -math.inf

    def close(self):
        if self.peer:
            self.peer.close()


def compare(engine, judge, prompt, ours, theirs, probabilities, wanted):
    """(passed, tokens that agree, remark)"""
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    if same >= wanted:
        return True, same, ""
    if same == len(ours) == len(theirs):
        return True, same, "both ended"
    if same == len(ours) or same == len(theirs):
        # llama.cpp does not tell its end token; ours does. One that merely lacks it agrees.
        rest = ours[same:] + theirs[same:]
        if len(rest) == 1:
            return True, same, "both ended"
        return False, same, f"one ended, the other went on with {rest[:3]}"
    a, b = ours[same], theirs[same]
    our_gap = engine.gap(prompt + ours[:same], a, b)
    their_gap = gap_of(probabilities[same] if same < len(probabilities) else {}, a, b)
    remark = f"parted over {a} and {b}: {our_gap:.3f} apart here, {their_gap:.3f} there"
    if min(our_gap, their_gap) <= NEAR_TIE or not judge:
        return min(our_gap, their_gap) <= NEAR_TIE, same, remark
    passed, found = judge.accepts(prompt + ours[:same], a, b)
    return passed, same, f"{remark}; {found}"


def run(options, folder):
    """Prints the table; the exit code. Expanded weights go into `folder`."""
    engine = Engine(options)
    rest, kind = (CHAT, "chat") if engine.has_template() else (MORE_PLAIN, "plain")
    rows = [("plain", text, text) for text in PLAIN]
    rows += [(kind, text, engine.render(text) if kind == "chat" else text) for text in rest]
    bos = adds_bos(options.model)
    prompts = [engine.tokenize(text, bos and kind == "plain") for kind, _, text in rows]
    peer = peer_for(options, engine.expand(folder) if options.unrounded else options.model)
    judge = None if options.no_judge else Judge(engine, options, folder)
    ours_by = Instead(options) if options.instead else engine
    failures = 0
    try:
        for (kind, text, _), prompt in zip(rows, prompts, strict=True):
            ours = ours_by.generate(prompt)
            theirs, probabilities = peer.generate(prompt, options.n)
            passed, same, remark = compare(ours_by, judge, prompt, ours, theirs, probabilities, options.wanted)
            failures += not passed
            title = re.sub(r"\s+", " ", text)[:40]
            print(f"{'ok  ' if passed else 'FAIL'} {kind:5} {same:3} tokens equal  {title:40}  {remark}", flush=True)
    finally:
        peer.close()
        for other in (judge, options.instead and ours_by):
            if other:
                other.close()
    print(f"{len(prompts) - failures} of {len(prompts)} prompts agree"
          + (f"; {judge.ties} part at what is a near tie in float32 only" if judge and judge.ties else "")
          + (f"; {judge.ours} where llama.cpp parts from its own float32" if judge and judge.ours else ""))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="build/release/bin/neuron-engine")
    parser.add_argument("--model", required=True)
    parser.add_argument("--llama-server", help="a llama-server binary; without it xllamacpp is used")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-n", type=int, default=64, help="tokens to generate for each prompt")
    parser.add_argument("--wanted", type=int, default=48, help="tokens that have to agree")
    parser.add_argument("--quant", help="what neuron-engine makes of the weights while it loads them; f32: exact arithmetic")
    parser.add_argument("--instead", metavar="LLAMA_SERVER", help="compare this llama-server with the peer, not neuron-engine")
    parser.add_argument("--no-judge", action="store_true", help="fail at every parting that is no near tie")
    parser.add_argument("--unrounded", action="store_true", help="both in float32, with the file's weights as they are")
    options = parser.parse_args()
    options.model = os.path.abspath(options.model)
    if options.unrounded and options.instead:
        parser.error("--unrounded expands weights for one llama.cpp; it does not go with --instead")
    if options.unrounded:
        options.quant, options.no_judge = "f32", True
    with tempfile.TemporaryDirectory() as folder:
        return run(options, folder)


if __name__ == "__main__":
    sys.exit(main())
