#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Compares `neuron-engine tokenize` and `detokenize` with the libraries that they follow.

    tokenizer.py --program build/dev/bin/neuron-engine --tokenizer ../shared/data/tokenizers/qwen3/tokenizer.json
    tokenizer.py --program build/dev/bin/neuron-engine --model SmolLM2-135M-Instruct.Q4_1.gguf
    tokenizer.py --program build/dev/bin/neuron-engine --model gemma-3-270m-Q4_K_M.gguf [--llama-cpp]

Makes 2,500 and more strings of every kind that has ever broken a tokenizer (the same ones each run), and lists of ids
that cut characters apart; prints each difference and exits 1 if there is one. The reference is the Hugging Face library
for a tokenizer.json. For a GGUF file it is rebuilt from its vocabulary: the Hugging Face library for byte-level BPE,
SentencePiece for its own; with --llama-cpp it is the llama.cpp of the package xllamacpp. Needs Python packages:
tokenizers; for --model also gguf and sentencepiece, for --llama-cpp xllamacpp.
"""
import argparse
import json
import random
import re
import subprocess
import sys
import unicodedata
import urllib.error
import urllib.request

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

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
    for _ in range(200):  # what SentencePiece writes spaces and bytes as
        yield "".join(rng.choice(WORDS + [" ", "  ", "   ", " " * 31, " " * 33, "\u2581", "\u2581\u2581", "<0x41>", "<0xE6>", "<0x", "\n\n", "\t\t"])
                      for _ in range(rng.randrange(1, 20)))
    for _ in range(150):
        lines = [rng.choice(CODE) for _ in range(3)]
        text = "".join(lines)
        cut = rng.randrange(len(text))
        yield text[cut:] + rng.choice(WORDS) + text[:cut]


class HuggingFace:
    """The `tokenizers` library."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.added = [token.content for token in added.values()]
        self.respelled = {i for i, token in added.items() if tokenizer.id_to_token(i) != token.content}
        self.size = tokenizer.get_vocab_size()
        falls_back = '"ByteFallback"' in tokenizer.to_str()
        self.bytes = [tokenizer.token_to_id(byte_entry(i)) for i in range(256)] if falls_back else []

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, row):
        # It spells normalized tokens as they are looked for, "\u2581<s>"; we, as a template needs them.
        if self.respelled.intersection(row):
            return None
        text = self.tokenizer.decode(row, skip_special_tokens=False)
        # Of bytes that are not all UTF-8 it makes one U+FFFD each; we keep the characters among them.
        return None if self.bytes and "\ufffd" in text else text


class SentencePiece:
    """The `sentencepiece` library, with the vocabulary of a GGUF file. It knows no added tokens: those are taken out
    before it, and its spaces are put before what lies between them, as llama.cpp does."""

    def __init__(self, tokens, scores, types, prefix):
        import sentencepiece

        self.tokens, self.types, self.size = tokens, types, len(tokens)
        self.added = [token for token, kind in zip(tokens, types) if kind in (2, 3, 4)]
        self.ids = {token: i for i, token in enumerate(tokens)}
        self.bytes = [self.ids[byte_entry(i)] for i in range(256)]
        self.pattern = re.compile("(" + "|".join(map(re.escape, sorted(self.added, key=len, reverse=True))) + ")")
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model_proto(tokens, scores, types, prefix))

    def encode(self, text):
        if "\u2581" in text:  # to it that is a space
            return None
        ids = []
        for i, part in enumerate(self.pattern.split(text)):
            ids += [self.ids[part]] if i % 2 else self.processor.encode(part)
        return ids

    def decode(self, row):
        if any(self.types[i] in (2, 3, 4) for i in row):
            return None
        text = self.processor.decode(row)
        return None if "\ufffd" in text else text


def model_proto(tokens, scores, types, prefix):
    """A SentencePiece model of its kind "BPE", in the wire format of sentencepiece_model.proto."""
    import struct

    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    def number(field, n):
        return varint(field << 3) + varint(n)

    def block(field, data):
        return varint(field << 3 | 2) + varint(len(data)) + data

    parts = []
    for token, score, kind in zip(tokens, scores, types):
        spelled = token.replace(" ", "\u2581") if kind == 4 else token
        parts.append(block(1, block(1, spelled.encode()) + b"\x15" + struct.pack("<f", score) + number(3, kind)))
    if 2 not in types:  # it insists on an unknown piece
        parts.append(block(1, block(1, b"<no-such-piece>") + b"\x15" + struct.pack("<f", 0) + number(3, 2)))
    parts.append(block(2, number(3, 2) + number(35, 1)))  # model_type = BPE, byte_fallback
    parts.append(block(3, block(1, b"identity") + number(3, int(prefix)) + number(4, 0) + number(5, 1)))
    return b"".join(parts)


class LlamaCpp:
    """The llama.cpp within the package xllamacpp, which listens on a port of the loopback."""

    def __init__(self, path, added, size):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx = 256
        self.server = xllamacpp.Server(params)
        self.added, self.size, self.bytes = added, size, []

    def ask(self, path, body):
        request = urllib.request.Request(self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def encode(self, text):
        # It looks for the added tokens one after the other, the longest first, not from left to right.
        return self.ask("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def decode(self, row):
        try:
            return self.ask("/detokenize", {"tokens": row})["content"]
        except urllib.error.HTTPError:
            return None  # it answers only with whole UTF-8


def byte_entry(byte):
    return f"<0x{byte:02X}>"


def from_gguf(path, llama_cpp):
    """The reference for a GGUF file, from what the file holds."""
    import gguf

    reader = gguf.GGUFReader(path)

    def value(key, otherwise=None):
        field = reader.fields.get("tokenizer.ggml." + key)
        return otherwise if field is None else field.contents()

    tokens, types = value("tokens"), value("token_type")
    if llama_cpp:
        return LlamaCpp(path, [token for token, kind in zip(tokens, types) if kind in (2, 3, 4)], len(tokens))
    if value("model") == "llama":
        return SentencePiece(tokens, value("scores"), types, value("add_space_prefix", True))
    return HuggingFace(byte_level(path, tokens, types, value("merges"), value("pre")))


def byte_level(path, tokens, types, merges, pre):
    merges = [tuple(merge.split(" ")) for merge in merges]
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
    """An expected None is no opinion."""
    asked = [(i, e, a) for i, e, a in zip(inputs, expected, actual) if e is not None]
    wrong = [(i, e, a) for i, e, a in asked if e != a]
    for item, want, got in wrong[:10]:
        print(f"{name} {item!r:.300}\n  expected {want!r:.300}\n  got      {got!r:.300}")
    print(f"{name}: {len(asked) - len(wrong)} of {len(asked)} equal")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--tokenizer")
    group.add_argument("--model")
    parser.add_argument("--llama-cpp", action="store_true", help="with --model: compare with llama.cpp")
    options = parser.parse_args()
    if options.tokenizer:
        reference = HuggingFace(Tokenizer.from_file(options.tokenizer))
    else:
        reference = from_gguf(options.model, options.llama_cpp)
    source = ["--tokenizer", options.tokenizer] if options.tokenizer else ["--model", options.model]

    texts = list(strings(reference.added))
    ids = [reference.encode(text) for text in texts]
    good = compare("tokenize", texts, ids, run(options.program, "tokenize", source, texts))

    rng = random.Random(1)
    cut = [row[rng.randrange(len(row)):][: rng.randrange(1, 50)] for row in ids if row]
    rows = [row for row in ids if row is not None] + cut
    rows += [[rng.randrange(reference.size) for _ in range(rng.randrange(1, 30))] for _ in range(1000)]
    decoded = [reference.decode(row) for row in rows]
    good &= compare("detokenize", rows, decoded, run(options.program, "detokenize", source, rows))

    if reference.bytes:  # an "x" first, so that no decoder takes a space away
        rows = [b"x" + rng.choice((rng.randbytes(rng.randrange(8)), "é漢😀".encode()[rng.randrange(9):])) + rng.randbytes(rng.randrange(3)) for _ in range(1000)]
        spelled = [[reference.bytes[byte] for byte in row] for row in rows]
        decoded = [row.decode("utf-8", "replace") for row in rows]
        good &= compare("bytes", spelled, decoded, run(options.program, "detokenize", source, spelled))
    sys.exit(0 if good else 1)


main()
