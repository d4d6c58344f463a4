#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Makes the tokenizers and expected token ids of test-engine-text, and the seeds of the fuzz targets.

    tests/reference/tokenizers_make.py [--qwen3 ../shared/data/tokenizers/qwen3/tokenizer.json]

A small byte-level BPE is trained on the text below; variants of it differ in normalizer, pre-tokenizer and added tokens,
so that together they use all that a tokenizer.json can ask of us. So do variants of a BPE of characters with byte
fallback, which are named "sp-…" after SentencePiece. What the Hugging Face library makes of each text is written beside
them: one JSON object a line. What SentencePiece itself makes of them is written to sentencepiece.jsonl: two trained
vocabularies, each with its texts. Needs Python packages tokenizers, sentencepiece, gguf, numpy.
"""
import argparse
import io
import json
import pathlib
import struct

import gguf
import numpy
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TESTS = pathlib.Path(__file__).resolve().parent.parent
DATA = TESTS / "unit/engine/data"
CORPUS = TESTS / "fuzz/corpus"

TRAINING = """The tokenizer cuts text into words and merges the bytes of each word, the most frequent pair first.
A word is what the other words are not; there is no word for the space between words, and yet it's the space that
makes them words. They're merged, we've merged, I'll merge: don't merge what you'd rather keep. 1 12 123 1234 2026.
def merge(words):\n    for word in words:\n        if word.merged:\n            return word\n    return None\n
Über den Wörtern: schöne Größe, façade, naïveté, coöperation. Слова и слова, слово за слово. 言葉と言葉、文字と文字。
""" * 3

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEXTS = [
    "", " ", "  ", "\n", "a", "word", " word", "words and words", "Words, WORDS; it's IT'S they'LL I'd", "don't we've",
    "The merged words of 2026, 12345 and ½ or ²³.", "   leading and trailing   ", "a\n\n\nb\r\n\r\n c\t\td", "\u00a0\u3000 \u2003x",
    "def merge(words):\n    return [word for word in words]\n", "Größe, façade", "Gro\u0308ße, fac\u0327ade", "слова слово",
    "言葉と文字。", "😀👍🏽👨‍👩‍👧‍👦", "\u1112\u1161\u11ab\uac01", "a\u0323\u0307a\u0307\u0323", "\0\x01\x7f\ufffd\uffff\U0010ffff", "\u180eword\u0085word",
    "<|end|>", "a<|end|>b", "<|end|", "<|end|><|end|>", "word <mask> word", "word<mask>word", " \n<mask> \n", "<left>  x", "x  <left>",
    "x  <right>  y", "  <right>  <right>  ", "single", "a single word", "singled", "a_single", "single.single", "Caf\u00e9 cafe\u0301 <caf\u00e9> <cafe\u0301>",
    "<a><ab><abc><abcd>", "<abc", "...!?--- (x) [y] {z} \"q\"", "aaaaaaaaaaaaaaaa", "wordwordwordwordword", "      " * 20, "9" * 40, "ſ'ſ 'ſ K",
    "$x$ #1 #22 ~y~", "tab\tseparated\tvalues\t", "http://example.org/a?b=c&d=%20e",
]


def trained():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator([TRAINING], trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def variant(model, normalizer, steps, added, ignore_merges=False):
    bpe = models.BPE(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], ignore_merges=ignore_merges)
    tokenizer = Tokenizer(bpe)
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    for token in added:
        tokenizer.add_tokens([token])
    return tokenizer


def variants(model):
    flags = dict(normalized=False, special=True)
    added = [
        AddedToken("<|end|>", **flags), AddedToken("<mask>", lstrip=True, **flags), AddedToken("<right>", rstrip=True, **flags),
        AddedToken("<left>", lstrip=True, rstrip=True, normalized=False), AddedToken("single", single_word=True, normalized=False),
        AddedToken("<caf\u00e9>", normalized=True), AddedToken("<ab>", normalized=False), AddedToken("<abc>", normalized=False, special=True),
    ]
    byte_level = lambda **options: pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})
    split = lambda pattern, behavior, invert=False: pre_tokenizers.Split(pattern, behavior, invert)
    plain = [AddedToken("<|end|>", **flags)]
    yield "nfc", variant(model, normalizers.NFC(), [split(Regex(QWEN), "isolated"), byte_level()], added)
    yield "digits", variant(model, None, [pre_tokenizers.Digits(True), byte_level(use_regex=True)], plain)
    yield "prefix", variant(model, None, [byte_level(use_regex=True, add_prefix_space=True)], added, ignore_merges=True)
    yield "punctuation", variant(model, None, [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False), byte_level(add_prefix_space=True)], plain)
    yield "removed", variant(model, None, [pre_tokenizers.WhitespaceSplit(), split("#", "removed"), byte_level()], plain)
    yield "previous", variant(model, normalizers.Sequence([normalizers.NFC()]), [split(Regex(r"\s"), "merged_with_previous"), split(Regex(r"^\w$"), "isolated"), byte_level()], plain)
    yield "next", variant(model, None, [split(Regex(r"[\s.]"), "merged_with_next"), split(Regex(r"(?=(\d{3})+(?!\d))"), "isolated"), byte_level()], plain)
    yield "inverted", variant(model, None, [split(Regex(r"\S+"), "removed", True), byte_level(use_regex=True)], plain, ignore_merges=True)


SP_TEXTS = [
    "\u2581", "\u2581word", " \u2581 word", "   word", "word   word", "word \n\n\n\n word", "\n", "\t\t", "a\n\nb", "<0x41>", "<0x41", "a <0x0A> b",
    "x<s>y", "<s> x", " <s>x", "<s></s><s>", "<unk>", "\ufffd\ufffd", "\u00a0word\u00a0", "漢字 語 文字", "\U0001f9d1\u200d\U0001f680", "\x00\x1f\x7f",
    "word" * 50, " " * 50, "é" * 20, "語" * 20, "\u0301" * 9, "<turn>user\nword<turn>\n", "word<turn>  word", "12 345\t6", " a  b   c    d     e",
]


def sp_trained():
    """A BPE of characters; the characters that no entry covers are those that TRAINING lacks, and some that it has."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator([TRAINING.replace("字", "")], trainers.BpeTrainer(
        vocab_size=520, special_tokens=special, limit_alphabet=80, show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def sp_variants(model):
    space = "\u2581"
    special = [AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")]
    own = [AddedToken("<turn>", normalized=True), AddedToken("\n\n", normalized=False), AddedToken("  ", normalized=False)]
    chain = [decoders.Replace(space, " "), decoders.ByteFallback(), decoders.Fuse()]
    strip = decoders.Strip(content=" ", left=1, right=0)

    def make(normalizer, steps, decoder, added=(), **options):
        tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], **options))
        if normalizer:
            tokenizer.normalizer = normalizer
        if steps:
            tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
        tokenizer.decoder = decoder
        tokenizer.add_special_tokens(special)
        for token in added:
            tokenizer.add_tokens([token])
        return tokenizer

    bytes_and_unk = dict(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    replace = normalizers.Replace(" ", space)
    metaspace = lambda scheme, split: pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    yield "sp-llama", make(normalizers.Sequence([normalizers.Prepend(space), replace]), [], decoders.Sequence([*chain, strip]),
                           own[:1], **bytes_and_unk)
    yield "sp-gemma", make(replace, [pre_tokenizers.Split(" ", "merged_with_previous")], decoders.Sequence(chain), own, **bytes_and_unk)
    yield "sp-first", make(None, [metaspace("first", False)], decoders.Sequence([*chain, strip]), **bytes_and_unk)
    yield "sp-always", make(None, [metaspace("always", True)], decoders.Metaspace(prepend_scheme="always"), unk_token="<unk>")
    yield "sp-never", make(normalizers.Sequence([normalizers.NFC(), normalizers.Strip(), normalizers.Replace(Regex("[\u2018\u2019]|\\n+"), "'")]),
                           [pre_tokenizers.Digits(True), metaspace("never", True)], decoders.Metaspace(prepend_scheme="never"),
                           fuse_unk=True, unk_token="<unk>")
    yield "sp-merges", make(None, [pre_tokenizers.WhitespaceSplit(), metaspace("first", True)], decoders.Sequence(chain[:2]), own[1:],
                            ignore_merges=True, byte_fallback=True)


def write_sentencepiece(path):
    """Two vocabularies of SentencePiece's own, with and without a space before each text, and what it makes of texts."""
    with open(path, "w") as file:
        for prefix, own in ((True, []), (False, ["<turn>", "\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581"])):
            model = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(TRAINING.split("\n")), model_writer=model, model_type="bpe", vocab_size=520,
                byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                add_dummy_prefix=prefix, user_defined_symbols=own, character_coverage=0.98, minloglevel=2)
            processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
            kind = lambda i: 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
            pieces = [processor.id_to_piece(i) for i in range(len(processor))]
            # As llama.cpp's converter writes them: user-defined symbols with real spaces.
            tokens = [piece.replace("\u2581", " ") if piece in own else piece for piece in pieces]
            vocabulary = {"prefix": prefix, "tokens": tokens, "scores": [processor.get_score(i) for i in range(len(processor))],
                          "types": [4 if pieces[i] in own else kind(i) for i in range(len(processor))]}
            # It reads "\u2581" in a text as a space, and control tokens as text; we do neither.
            texts = [text for text in TEXTS + SP_TEXTS if not any(part in text for part in ("\u2581", "<s>", "</s>", "<unk>"))]
            rows = [{"text": text, "ids": processor.encode(text), "decoded": processor.decode(processor.encode(text))} for text in texts]
            file.write(json.dumps({"vocabulary": vocabulary, "rows": rows}) + "\n")


def write_expected(path, named, texts):
    with open(path, "w") as file:
        for name, tokenizer in named:
            for text in texts:
                row = {"tokenizer": name, "text": text}
                for special in (True, False):
                    tokenizer.encode_special_tokens = not special
                    ids = tokenizer.encode(text, add_special_tokens=False).ids
                    row["ids" if special else "ids_without_special"] = ids
                tokenizer.encode_special_tokens = False
                row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
                row["decoded_without_special"] = tokenizer.decode(row["ids"], skip_special_tokens=True)
                file.write(json.dumps(row) + "\n")


def write_gguf_seeds(model):
    vocab = sorted(model["vocab"], key=model["vocab"].get)[:300]
    merges = [f"{a} {b}" for a, b in model["merges"] if {a, b, a + b} <= set(vocab)]
    write_sentencepiece_seeds()
    for pre in ("smollm", "qwen2", "llama-bpe", "tekken", "deepseek-llm", "deepseek-v3", "gpt-4o", "default"):
        writer = gguf.GGUFWriter(CORPUS / "tokenizer-gguf" / f"{pre}.gguf", "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(vocab + ["<|im_end|>", "<x>"])
        writer.add_token_types([1] * len(vocab) + [3, 4])
        writer.add_token_merges(merges)
        writer.add_eos_token_id(len(vocab))
        close(writer)
    writer = gguf.GGUFWriter(CORPUS / "gguf" / "types.gguf", "llama")
    writer.add_custom_alignment(64)
    writer.add_bool("a.bool", True)
    writer.add_float32("a.float", 0.5)
    writer.add_int8("a.int8", -1)
    writer.add_uint64("a.uint64", 7)
    writer.add_array("a.strings", ["x", "yz"])
    writer.add_array("a.numbers", [1.0, 2.0])
    writer.add_array("a.flags", [True, False])
    writer.add_tensor("f32", numpy.zeros((2, 3), numpy.float32))
    writer.add_tensor("f16", numpy.zeros((2, 2, 4), numpy.float16))
    for kind in ("Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q6_K"):
        quant = gguf.GGMLQuantizationType[kind]
        elements, size = gguf.GGML_QUANT_SIZES[quant]
        writer.add_tensor(kind.lower(), numpy.zeros((2, size), numpy.uint8), raw_dtype=quant)
    close(writer)


def write_sentencepiece_seeds():
    for name, prefix in (("sentencepiece", True), ("sentencepiece-plain", False)):
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        pieces = ["\u2581", "H", "e", "l", "o", "a", "aa", "ll", "\u2581H", "\u2581\u2581", "el", "aaaa", "llo", "w\u2581", "  "]
        writer = gguf.GGUFWriter(CORPUS / "tokenizer-gguf" / f"{name}.gguf", "llama")
        writer.add_tokenizer_model("llama")
        writer.add_token_list(special + pieces)
        writer.add_token_scores([0.0] * len(special) + [-float(i // 2) for i in range(len(pieces))])
        writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 1) + [4])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_space_prefix(prefix)
        close(writer)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors_seed():
    header = json.dumps({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
        "c": {"dtype": "I64", "shape": [], "data_offsets": [32, 40]},
    }, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    (CORPUS / "safetensors/three.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(40))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qwen3", default=TESTS.parent.parent / "shared/data/tokenizers/qwen3/tokenizer.json")
    options = parser.parse_args()
    for name in ("gguf", "tokenizer-gguf", "tokenizer-json", "safetensors"):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    model = trained()
    named = list(variants(model))
    for name, tokenizer in named:
        (DATA / f"tokenizer-{name}.json").write_text(tokenizer.to_str())
    sp_model = sp_trained()
    sp_named = list(sp_variants(sp_model))
    for name, tokenizer in sp_named:
        (DATA / f"tokenizer-{name}.json").write_text(tokenizer.to_str())
    write_expected(DATA / "tokenizer-expected.jsonl", named, TEXTS)
    write_expected(DATA / "tokenizer-sp-expected.jsonl", sp_named, TEXTS + SP_TEXTS)
    write_sentencepiece(DATA / "sentencepiece.jsonl")
    write_expected(DATA / "tokenizer-qwen3-expected.jsonl", [("qwen3", Tokenizer.from_file(str(options.qwen3)))], TEXTS)

    small = dict(model, vocab={entry: i for entry, i in model["vocab"].items() if i < 270})
    small["merges"] = [merge for merge in model["merges"] if set(merge) | {"".join(merge)} <= set(small["vocab"])]
    for name, tokenizer in variants(small):
        (CORPUS / f"tokenizer-json/{name}.json").write_text(tokenizer.to_str())
    for name, tokenizer in sp_variants(sp_model):
        (CORPUS / f"tokenizer-json/{name}.json").write_text(tokenizer.to_str())
    write_gguf_seeds(model)
    write_safetensors_seed()


main()
