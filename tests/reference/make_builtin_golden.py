#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/golden/builtin: what transformers, in float32 over the bfloat16 weights, makes of the built-in model.

  manifest.json, tokens.json, builtin.f32   logits of a conversation of 200 tokens, as in tests/golden
  greedy.json      continuations of 256 tokens, going on after end tokens. What follows an end token was never trained, and
                   there two tokens may be as good as equal. Prompts are taken from a list of candidates in its order, those
                   whose best token is ahead by at least CLEAR in every one of the 256 steps; "gap" is the narrowest.
  questions.json   conversations and the answers that the model gives, stopping by itself. The questions are put in words
                   that it was not trained on; those of FRESH and SECOND that get another answer than their section's are
                   printed and left out, and too many of them are an error.

With --check it writes nothing, and prints how many of all taught questions are answered rightly as they stand, and in lower
case without question marks.
"""
import argparse
import json
import pathlib
import sys

import tokenizers
import torch
import transformers
from transformers.utils import logging as transformers_logging

import builtintext
import builtintokenizer

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden/builtin"
LENGTHS = [1, 63, 64, 65, 200]
GREEDY_TOKENS, GREEDY_PROMPTS = 256, 6
LEAST_QUESTIONS = 30
CLEAR = 0.01
TOLERANCE = 2e-4

# (section, question in other words than any that is taught)
FRESH = [
    ("What is Cortex?", "Could you explain what Cortex is?"),
    ("What is Cortex?", "what exactly is cortex"),
    ("Who are you?", "Hello, who are you?"),
    ("What can you do?", "What can you do for me?"),
    ("What is neuron?", "What does the neuron daemon do?"),
    ("What is neuron?", "what is neuron for"),
    ("What is the gateway?", "What is the gateway for?"),
    ("What is the console?", "What is the console for?"),
    ("What is neuron-engine?", "what is neuron-engine for"),
    ("What does the cortex command do?", "what can i do with the cortex command"),
    ("Which programs are there?", "Which programs does Cortex have?"),
    ("Which port does the gateway use?", "Which port is the gateway on?"),
    ("Which port does neuron use?", "which port does the neuron daemon use"),
    ("How do I connect an editor?", "How do I connect my editor to Cortex?"),
    ("Which models can Cortex run?", "Which models does Cortex support?"),
    ("Which file formats can Cortex read?", "which file formats does cortex support"),
    ("Which quantizations are supported?", "Which quantizations can Cortex read?"),
    ("How do I get a model?", "How can I download a model?"),
    ("How do I load a model?", "how do i load a model by hand"),
    ("How do I unload a model?", "How can I unload a model?"),
    ("What happens when memory is full?", "What happens if the memory is full?"),
    ("How do I add a host?", "How do I add a second machine?"),
    ("Which configuration files are there?", "Which config files are there?"),
    ("How do I start Cortex without a network?", "Can I use Cortex without a network?"),
    ("How do I start Cortex?", "how do i start cortex on my machine"),
    ("Does Cortex need a GPU?", "Do I need a GPU to use Cortex?"),
    ("Does Cortex have metrics?", "does cortex have metrics for prometheus"),
    ("What is Gated DeltaNet?", "Can you explain Gated DeltaNet?"),
    ("What is the licence of Cortex?", "what is the license of cortex"),
    ("How do I build Cortex?", "How can I build Cortex from source?"),
    ("What is the KV cache?", "What does the KV cache hold?"),
    ("Unknown", "What is the capital of Spain?"),
    ("Unknown", "who invented the telephone"),
    ("Unknown", "Why is the sky blue?"),
]
# (section and question of the turn before, section and question)
SECOND = [
    ("What is Cortex?", "What is Cortex?", "What is neuron?", "And what does neuron do?"),
    ("Hello", "Hi!", "What is Cortex?", "What is Cortex?"),
    ("What is the gateway?", "what is the gateway", "Which port does the gateway use?", "which port does it use, the gateway?"),
    ("Unknown", "What is the capital of France?", "What can you do?", "What can you do?"),
    ("How do I get a model?", "How do I get a model?", "How do I load a model?", "how do i load a model"),
    ("Which models can Cortex run?", "Which models can Cortex run?", "Thank you", "Thanks!"),
]
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}


class Reference:
    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model, info = transformers.Qwen3_5ForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                                          attn_implementation="eager", output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"]:
            sys.exit(f"make_builtin_golden.py: {folder}: {info}")
        self.model.eval()
        self.sections = {s.title: s for s in builtintext.sections()}

    def logits(self, ids):
        return self.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]

    def greedy(self, ids, count):
        """(tokens, the narrowest lead of a chosen one), end tokens being no end; nothing where a lead is below CLEAR."""
        out, gap, cache, fresh = [], float("inf"), None, ids
        while len(out) < count:
            step = self.model(input_ids=torch.tensor([fresh]), past_key_values=cache, use_cache=True)
            cache, best = step.past_key_values, step.logits[0, -1].topk(2)
            gap = min(gap, (best.values[0] - best.values[1]).item())
            if gap < CLEAR:
                return None
            fresh = [best.indices[0].item()]
            out += fresh
        return out, gap

    def says(self, messages, answer):
        """Does greedy decoding give this answer and end? So it does where each token of it is likeliest after those before."""
        ids, place = builtintokenizer.encode(self.tokenizer, [*messages, {"role": "assistant", "content": answer}])
        own = range(len(ids) - 1 - place[-2], len(ids) - 1)  # a line feed stands last, behind the end token
        best = self.logits(ids).argmax(-1)
        return all(best[i - 1] == ids[i] for i in own)


def user(text):
    return {"role": "user", "content": text}


def fixture(reference):
    """Conversations and the answers wanted."""
    rows = [([user(question)], title) for title, question in FRESH]
    rows += [([SYSTEM, user(question)], title) for title, question in FRESH[::6]]
    for before, first, title, second in SECOND:
        told = {"role": "assistant", "content": reference.sections[before].answer}
        rows.append(([user(first), told, user(second)], title))
    return [dict(messages=messages, answer=reference.sections[title].answer) for messages, title in rows]


def check_template(reference, folder, messages):
    """The stored chat template renders what training put together."""
    rendered = transformers.AutoTokenizer.from_pretrained(folder).apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    if list(rendered) != builtintokenizer.prompt(reference.tokenizer, messages):
        sys.exit("make_builtin_golden.py: the chat template and the training disagree")


def taught(reference):
    for name, change in (("as taught", lambda q: q), ("lower case, bare", lambda q: q.lower().rstrip("?"))):
        asked = [(q, s.answer) for s in reference.sections.values() for q in s.questions]
        wrong = [q for q, answer in asked if not reference.says([user(change(q))], answer)]
        print(f"{name}: {len(asked) - len(wrong)} of {len(asked)}; not answered: {wrong[:20]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=builtintext.BUILTIN)
    parser.add_argument("--check", action="store_true", help="report on the questions only; write nothing")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    reference = Reference(options.model)

    rows, asked = [], fixture(reference)
    for row in asked:
        if reference.says(row["messages"], row["answer"]):
            rows.append(row)
        else:
            print(f"not answered: {row['messages'][-1]['content']}")
    print(f"questions in fresh words: {len(rows)} of {len(asked)}", flush=True)
    if options.check:
        taught(reference)
        return
    if len(rows) < LEAST_QUESTIONS:
        sys.exit("make_builtin_golden.py: too few questions are answered")
    for row in rows:
        check_template(reference, options.model, row["messages"])
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "questions.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")

    conversation = []
    for title in ("What is Cortex?", "What is neuron?", "Which models can Cortex run?", "What is a hybrid model?", "Hello"):
        conversation += [user(title), {"role": "assistant", "content": reference.sections[title].answer}]
    tokens = builtintokenizer.encode(reference.tokenizer, conversation)[0][:max(LENGTHS)]
    assert len(tokens) == max(LENGTHS)
    whole = reference.logits(tokens)
    whole.numpy().astype("<f4").tofile(OUT / "builtin.f32")
    (OUT / "tokens.json").write_text(json.dumps(tokens) + "\n")
    golden = dict(name="builtin", family="qwen3_5", model="../../../resources/builtin", logits="builtin.f32",
                  vocabulary=builtintokenizer.VOCABULARY, tolerance=TOLERANCE)
    (OUT / "manifest.json").write_text(json.dumps(dict(tokens="tokens.json", lengths=LENGTHS, goldens=[golden]), indent=1) + "\n")

    chosen, seen = [], 0
    for row in rows:
        ids = builtintokenizer.prompt(reference.tokenizer, row["messages"])
        found = reference.greedy(ids, GREEDY_TOKENS)
        seen += 1
        if found:
            chosen.append(dict(prompt=ids, continuation=found[0], gap=round(found[1], 4)))
        if len(chosen) == GREEDY_PROMPTS:
            break
    print(f"greedy: {len(chosen)} of the first {seen} prompts, gaps {[c['gap'] for c in chosen]}")
    if len(chosen) < GREEDY_PROMPTS:
        sys.exit("make_builtin_golden.py: too few prompts are clear of near ties")
    (OUT / "greedy.json").write_text(json.dumps(chosen) + "\n")


if __name__ == "__main__":
    main()
