# SPDX-License-Identifier: GPL-3.0-only
"""Tokenizer and chat template of the built-in model: byte-level BPE as Qwen3.5 has it, with a vocabulary of its own."""
import json

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

import builtintext

VOCABULARY = 1024
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TEXT, START, END = range(3)
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")

# ChatML. Content may be a text or a list of parts, of which the texts count; system messages may stand anywhere.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {%- set role = 'system' if message.role == 'developer' else message.role %}
    {{- '<|im_start|>' + role + '\\n' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- elif message.content is iterable %}
        {%- for part in message.content if part.type == 'text' %}
            {{- part.text }}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def train():
    """A tokenizer made from the questions and answers, each question in both cases."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    text = []
    for section in builtintext.sections():
        text += [section.answer] * 3
        text += [q[0].upper() + q[1:] for q in section.questions] + [q.lower() for q in section.questions]
    text += ["system\n", "user\n", "assistant\n"] * 20 + builtintext.SYSTEM_MESSAGES
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return tokenizer


def save(tokenizer, folder):
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    config = {
        "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "add_bos_token": False, "bos_token": None,
        "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "model_max_length": 2048,
        "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE,
        "added_tokens_decoder": {str(i): {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                                          "single_word": False, "special": True} for i, text in enumerate(SPECIALS)},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def encode(tokenizer, messages):
    """(ids, place) of a whole conversation, as the chat template renders it. `place` counts the tokens of each of the
    assistant's messages from 1, its end token included, and is 0 elsewhere."""
    ids, place = [], []
    for message in messages:
        head = [START] + tokenizer.encode(message["role"] + "\n").ids
        body = tokenizer.encode(message["content"]).ids + [END]
        tail = tokenizer.encode("\n").ids
        ids += head + body + tail
        own = range(1, len(body) + 1) if message["role"] == "assistant" else [0] * len(body)
        place += [0] * len(head) + list(own) + [0] * len(tail)
    return ids, place


def prompt(tokenizer, messages):
    """Ids of a conversation that the assistant is to continue."""
    return encode(tokenizer, messages)[0] + [START] + tokenizer.encode("assistant\n").ids
