#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Trains the built-in model, resources/builtin, from scratch: ten to twenty minutes on two cores, the same on every run on
one machine (the seed is fixed; another processor, or another number of threads, may round otherwise).

The text is resources/builtin/questions.md; builtintext.py varies its questions and joins them to conversations of one to
five turns, some with a system message. Loss counts on the assistant's own tokens, more on the first few of an answer: these
tell which answer it is. The weights are rounded to bfloat16 and written as a composite `qwen3_5` checkpoint.
make_builtin_golden.py then writes what the tests compare with.

  train_builtin.py [--steps N] [--threads N] [--out DIRECTORY]
"""
import argparse
import json
import math
import pathlib
import random
import time

import safetensors.torch
import torch
import transformers
from transformers.utils import logging as transformers_logging

import builtintext
import builtintokenizer

SEED = 20261123
WHOLE_BATCH, SHORT_BATCH = 12, 64  # conversations; questions
POOL = 8  # batches that are drawn together
BEGINNING, BEGINNING_WEIGHT = 8, 6.0  # tokens of an answer that tell which it is, and how much more they count
SHORTEST_CHUNK = 64  # the reference pads every sequence to a multiple of this
LONGEST = 384  # tokens of a conversation; longer ones are cut
MATRIX_RATE, OTHER_RATE, WARM_UP = 0.02, 5e-3, 30
TEXT_CONFIG = dict(
    model_type="qwen3_5_text", vocab_size=builtintokenizer.VOCABULARY, hidden_size=128, intermediate_size=384,
    num_hidden_layers=4, layer_types=["linear_attention", "linear_attention", "linear_attention", "full_attention"],
    full_attention_interval=4, num_attention_heads=4, num_key_value_heads=2, head_dim=32, attn_output_gate=True,
    linear_conv_kernel_dim=4, linear_key_head_dim=32, linear_value_head_dim=32, linear_num_key_heads=2,
    linear_num_value_heads=4, hidden_act="silu", rms_norm_eps=1e-6, max_position_embeddings=2048, attention_bias=False,
    tie_word_embeddings=True, mtp_num_hidden_layers=0, bos_token_id=None, eos_token_id=builtintokenizer.END,
    pad_token_id=builtintokenizer.END_OF_TEXT,
    rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25, mrope_section=[2, 1, 1],
                         mrope_interleaved=True))


def whole_rows(tokenizer, conversations):
    """Batches of conversations of about one length each, so that little is padding."""
    while True:
        rows = [builtintokenizer.encode(tokenizer, conversations.next()) for _ in range(WHOLE_BATCH * POOL)]
        rows.sort(key=lambda row: len(row[0]))
        batches = [rows[i * WHOLE_BATCH:(i + 1) * WHOLE_BATCH] for i in range(POOL)]
        conversations.random.shuffle(batches)
        yield from batches


def short_rows(tokenizer, conversations):
    """Batches of single questions with the first tokens of their answers: which answer it is shows in these."""
    while True:
        rows = []
        while len(rows) < SHORT_BATCH:
            question, answer = conversations.exchange()
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            ids, place = builtintokenizer.encode(tokenizer, messages)
            cut = place.index(BEGINNING) + 1 if BEGINNING in place else len(ids)
            if cut <= SHORTEST_CHUNK:
                rows.append((ids[:cut], place[:cut]))
        yield rows


def batch_of(rows):
    """(ids, weights of the loss) [batch, longest], padded on the right; weight 0 where no loss counts."""
    width = min(max(len(ids) for ids, _ in rows), LONGEST)
    ids = torch.full((len(rows), width), builtintokenizer.END_OF_TEXT)
    weights = torch.zeros(len(rows), width)
    for i, (row, place) in enumerate(rows):
        row, place = torch.tensor(row[:width]), torch.tensor(place[:width])
        ids[i, :len(row)] = row
        weights[i, :len(row)] = torch.where(place > BEGINNING, 1.0, BEGINNING_WEIGHT) * (place > 0)
    return ids, weights


def rate(step, steps):
    """The learning rate as a share of its peak: linear warm-up, then a cosine down to a twentieth."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(1, steps - WARM_UP)))


def create_model():
    torch.manual_seed(SEED)
    model = transformers.Qwen3_5ForCausalLM(transformers.Qwen3_5TextConfig(**TEXT_CONFIG))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.02 if "embed" in name else 0.7 / math.sqrt(parameter.shape[1]))
        if name.endswith(("o_proj.weight", "out_proj.weight", "down_proj.weight")):
            parameter.data /= math.sqrt(2 * TEXT_CONFIG["num_hidden_layers"])
        if name.endswith("dt_bias"):  # heads that forget fast and heads that remember
            parameter.data = torch.linspace(math.log(0.002), math.log(0.2), len(parameter)).exp().expm1().log()
        if name.endswith("A_log"):
            parameter.data.fill_(math.log(2.0))
    return model


def own_loss(model, ids, weights):
    """Weighted mean of the cross entropy over the tokens that count; the head is computed for these alone."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    weights, wanted = weights[:, 1:], ids[:, 1:]
    counts = weights > 0
    losses = torch.nn.functional.cross_entropy(model.lm_head(hidden[counts]), wanted[counts], reduction="none")
    return (losses * weights[counts]).sum() / weights[counts].sum()


def train(model, tokenizer, steps):
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.05, momentum=0.95),
                  torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)]
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: rate(step, steps)) for o in optimizers]
    whole = whole_rows(tokenizer, builtintext.Conversations(random.Random(SEED)))
    short = short_rows(tokenizer, builtintext.Conversations(random.Random(SEED + 1)))
    started, losses = time.monotonic(), {}
    for step in range(steps):
        kind = "whole" if step % 3 == 0 else "short"
        loss = own_loss(model, *batch_of(next(whole if kind == "whole" else short)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        losses[kind] = loss.item() if kind not in losses else 0.9 * losses[kind] + 0.1 * loss.item()
        if step % 20 == 1 or step == steps - 1:
            print(f"step {step}, loss of whole conversations {losses['whole']:.4f}, of beginnings {losses['short']:.4f}, "
                  f"{time.monotonic() - started:.0f} s", flush=True)


def save(model, tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name.replace("model.", "model.language_model.", 1): parameter.detach().to(torch.bfloat16).contiguous()
               for name, parameter in sorted(model.named_parameters())}
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = dict(architectures=["Qwen3_5ForCausalLM"], model_type="qwen3_5", dtype="bfloat16", tie_word_embeddings=True,
                  text_config=TEXT_CONFIG)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    generation = dict(do_sample=False, eos_token_id=[builtintokenizer.END, builtintokenizer.END_OF_TEXT],
                      pad_token_id=builtintokenizer.END_OF_TEXT, max_new_tokens=256)
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    builtintokenizer.save(tokenizer, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2, help="another number rounds otherwise")
    parser.add_argument("--out", type=pathlib.Path, default=builtintext.BUILTIN)
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    tokenizer = builtintokenizer.train()
    model = create_model()
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    train(model, tokenizer, options.steps)
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
