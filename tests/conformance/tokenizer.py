#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Compares `neuron-engine tokenize` and `detokenize` with the Hugging Face `tokenizers` library.

    tokenizer.py --program build/dev/bin/neuron-engine --tokenizer ../shared/data/tokenizers/qwen3/tokenizer.json
    tokenizer.py --program build/dev/bin/neuron-engine --model SmolLM2-135M-Instruct.Q4_1.gguf

Makes 2,500 and more strings of every kind that has ever broken a tokenizer (the same ones each run), and lists of ids
that cut characters apart; prints each difference and exits 1 if there is one. For a GGUF file the reference is rebuilt
from its vocabulary and merges. Needs Python packages: tokenizers; for --model also gguf.
"""
import argparse
import json
import random
import subprocess
import sys
import unicodedata

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

WORDS = (
    "the of and to in Hello world I'm you're they'll we've he'd don't DON'T I'LL it'S naïve café résumé Straße İstanbul "
    "Ǆungla ﬁne ｆｕｌｌ return const int std::vector<int> x86_64 0x1F 3.14159 1,000,000 12345678 ２０２６ ¾ Ⅳ ④ ١٢٣ "
    "foo_bar fooBar FOO __init__ => -> !== && || ... --- ### ``` $$ {}[]() \\n \\u00e9 https://example.org/a?b=c&d=%20 "
    "привет мир Ελληνικά עברית العربية हिन्दी বাংলা தமிழ் ไทย 日本語 漢字 カタカナ ひらがな 한국어 中文字符 。，！？「」 "
    "😀 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☃ ♥︎ 🧑🏿‍🚀 ſ K Å ẛ̣ ǰ ΐ ﷺ ａ́ e\u0301 a\u0323\u0307 a\u0307\u0323 \u1100\u1161\u11a8 각"
).split()

CODE = [
    "def f(x):\n    return x + 1\n\n\nclass A:\n\tdef __init__(self):\n\t\tself.x = {'a': [1, 2, 3]}\n",
    "#include <cstdio>\nint main() {\r\n  std::printf(\"%d\\n\", 1'000'000); // done\r\n}\r\n",
    "SELECT * FROM t WHERE a <> 'it''s' AND b IS NOT NULL;  -- comment\n",
    "<div class=\"a\">&nbsp;&lt;b&gt; <!-- x --></div>\n\n\n   <p>\t</p>",
    "{\"key\": [1.0e-5, null, true], \"ключ\": \"\\u2028\"}",
    "for (let i=0;i<10;++i){a[i]??=b?.[i]}//\\\n\n\n",
    "$ ls -la | grep '^d' && echo \"$HOME\" > /dev/null 2>&1",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\n\n1. one\n2. two\n",
]

SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u180e", "\u200b",
          "\u0085", "\u2028", "\u2029", "\ufeff", "\v", "\f", "\u1680", "\u202f", "\u205f", "\x1c", "\x1f"]


def assigned(rng, low, high):
    while True:
        c = chr(rng.randrange(low, high))
        if unicodedata.category(c) not in ("Cn", "Cs"):
            return c


def strings(specials):
    rng = random.Random(20260704)
    yield from ("", " ", "\n", "a", "\0", "\x7f", "\ufffd", "\uffff", "\U0010ffff", "'", "'s", "'S", "'ſ", "'LL", "' s")
    yield from CODE
    yield from WORDS
    yield from (chr(c) for c in range(0x80))
    for n in (1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 100, 255, 1000, 5000):
        for c in (" ", "\n", "\t", "a", "é", "9", "-", "漢", "😀", "\u0301", "\r\n", " \n"):
            yield c * n
            yield "x" + c * n + "y"
    for _ in range(500):
        yield "".join(rng.choice(WORDS) + rng.choice(SPACES + [" "] * 40) for _ in range(rng.randrange(1, 30)))
    for _ in range(250):
        yield "".join(rng.choice(SPACES) if rng.random() < 0.7 else rng.choice(WORDS) for _ in range(rng.randrange(1, 40)))
    for _ in range(250):
        yield "".join(chr(rng.randrange(0x20) if rng.random() < 0.3 else rng.randrange(0x7f)) for _ in range(rng.randrange(1, 80)))
    for low, high in ((0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x1000), (0x1000, 0x2000), (0x2000, 0x3000),
                      (0x3000, 0xa000), (0xa000, 0xd7ff), (0xe000, 0x10000), (0x10000, 0x20000), (0x1f000, 0x1fb00)):
        for _ in range(40):
            yield "".join(assigned(rng, low, high) for _ in range(rng.randrange(1, 40)))
    for _ in range(250):  # what composes, decomposes and reorders
        text = "".join(rng.choice("aeiouAEIOUnNsSzZ가각ᄀ") + "".join(assigned(rng, 0x300, 0x370) for _ in range(rng.randrange(4)))
                       for _ in range(rng.randrange(1, 20)))
        yield unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKD"]), text) if rng.random() < 0.5 else text
    for _ in range(100):
        yield unicodedata.normalize("NFD", "".join(assigned(rng, 0xac00, 0xd7a3) for _ in range(rng.randrange(1, 20))))
    marks = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.combining(chr(c))]
    for _ in range(200):
        yield "".join(rng.choice("eo漢\u0915") + "".join(rng.choices(marks, k=rng.randrange(6))) for _ in range(20))
    for _ in range(300):  # special tokens in text, whole, cut and nested
        parts = []
        for _ in range(rng.randrange(1, 12)):
            token = rng.choice(specials) if specials else "<|x|>"
            kind = rng.random()
            if kind < 0.5:
                parts.append(token)
            elif kind < 0.7:
                parts.append(token[: rng.randrange(len(token) + 1)])
            elif kind < 0.8:
                parts.append(token[rng.randrange(len(token)):])
            else:
                parts.append(rng.choice(WORDS + SPACES))
        yield "".join(parts)
    for _ in range(100):
        text = "".join(assigned(rng, 0x20, 0x3000) for _ in range(rng.randrange(1, 2000)))
        yield text
    for _ in range(150):
        lines = [rng.choice(CODE) for _ in range(3)]
        text = "".join(lines)
        cut = rng.randrange(len(text))
        yield text[cut:] + rng.choice(WORDS) + text[:cut]


def from_gguf(path):
    """The reference tokenizer for a GGUF file, from what the file holds."""
    import gguf

    reader = gguf.GGUFReader(path)
    value = lambda key: reader.fields["tokenizer.ggml." + key].contents()
    tokens, types, pre = value("tokens"), value("token_type"), value("pre")
    merges = [tuple(merge.split(" ")) for merge in value("merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    if pre in ("smollm", "starcoder", "refact"):
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    elif pre == "gpt-2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        sys.exit(f"{path}: this script does not know the pre-tokenizer {pre!r}")
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, types):
        if kind in (3, 4):
            tokenizer.add_tokens([AddedToken(token, normalized=False, special=kind == 3)])
    return tokenizer


def run(program, command, source, inputs):
    lines = "".join(json.dumps(item, ensure_ascii=escapes(item)) + "\n" for item in inputs)
    done = subprocess.run([program, command, *source, "--jsonl"], input=lines.encode(), stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"{program} {command} failed with exit code {done.returncode}")
    # Only a line feed ends a line: texts hold the other separators.
    results = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if len(results) != len(inputs):
        sys.exit(f"{program} {command}: {len(inputs)} lines in, {len(results)} out")
    return results


def escapes(item):
    """Half of the inputs go as \\u escapes, half as they are."""
    return isinstance(item, str) and len(item) % 2 == 0


def compare(name, inputs, expected, actual):
    wrong = [(i, e, a) for i, e, a in zip(inputs, expected, actual) if e != a]
    for item, want, got in wrong[:10]:
        print(f"{name} {item!r:.300}\n  expected {want!r:.300}\n  got      {got!r:.300}")
    print(f"{name}: {len(inputs) - len(wrong)} of {len(inputs)} equal")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--tokenizer")
    group.add_argument("--model")
    options = parser.parse_args()
    reference = Tokenizer.from_file(options.tokenizer) if options.tokenizer else from_gguf(options.model)
    source = ["--tokenizer", options.tokenizer] if options.tokenizer else ["--model", options.model]

    texts = list(strings([token.content for token in reference.get_added_tokens_decoder().values()]))
    ids = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    rng = random.Random(1)
    size = reference.get_vocab_size()
    cut = [row[rng.randrange(len(row)):][: rng.randrange(1, 50)] for row in ids if row]
    rows = ids + cut + [[rng.randrange(size) for _ in range(rng.randrange(1, 30))] for _ in range(1000)]
    decoded = [reference.decode(row, skip_special_tokens=False) for row in rows]

    good = compare("tokenize", texts, ids, run(options.program, "tokenize", source, texts))
    good &= compare("detokenize", rows, decoded, run(options.program, "detokenize", source, rows))
    sys.exit(0 if good else 1)


main()
