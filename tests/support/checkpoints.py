# SPDX-License-Identifier: GPL-3.0-only
"""Safetensors checkpoints that have a tokenizer: those of tests/golden with a larger vocabulary."""
import json
import shutil
import struct

import numpy
from processes import SOURCE


def sentencepiece_json(vocabulary):
    """tokenizer.json of a row of sentencepiece.jsonl, made as transformers makes it from a SentencePiece model: every way
    to cut an entry into two is a merge rule, in the order of scores."""
    space = "\u2581"
    tokens = [t.replace(" ", space) if kind == 4 else t for t, kind in zip(vocabulary["tokens"], vocabulary["types"])]
    pieces = {t: i for i, t in enumerate(tokens) if vocabulary["types"][i] in (1, 4)}
    merges = []
    for token in sorted(pieces, key=lambda t: -vocabulary["scores"][pieces[t]]):
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        merges += sorted((cut for cut in cuts if cut[0] in pieces and cut[1] in pieces),
                         key=lambda cut: (pieces[cut[0]], pieces[cut[1]]))
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": space}
    prepend = [{"type": "Prepend", "prepend": space}] if vocabulary["prefix"] else []
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if vocabulary["prefix"] else []
    added = [{"id": i, "content": tokens[i], "special": kind != 4, "normalized": False, "single_word": False, "lstrip": False,
              "rstrip": False} for i, kind in enumerate(vocabulary["types"]) if kind in (2, 3, 4)]
    return {"normalizer": {"type": "Sequence", "normalizers": [*prepend, replace]}, "pre_tokenizer": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": space}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]},
            "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                      "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [list(m) for m in merges]},
            "added_tokens": added}


def sentencepiece(prefix):
    """A vocabulary of tests/unit/engine/data/sentencepiece.jsonl: one puts a space before a text, the other does not."""
    with open(SOURCE / "tests/unit/engine/data/sentencepiece.jsonl") as lines:
        return next(row["vocabulary"] for row in map(json.loads, lines) if row["vocabulary"]["prefix"] == prefix)


def read_safetensors(path):
    data = path.read_bytes()
    length, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(data, "<f4", offset=8 + length + entry["data_offsets"][0],
                                   count=(entry["data_offsets"][1] - entry["data_offsets"][0]) // 4).reshape(entry["shape"])
            for name, entry in header.items()}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values.tobytes() for values in tensors.values()))


def with_vocabulary(golden, folder, vocabulary, tokenizer):
    """Writes the golden checkpoint `golden` (float32) with `vocabulary` tokens to `folder`; `tokenizer` is what stands in
    tokenizer.json."""
    folder.mkdir()
    source = SOURCE / "tests/golden" / golden
    tensors = read_safetensors(source / "model.safetensors")
    random = numpy.random.default_rng(7)
    for name, values in tensors.items():
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            tensors[name] = random.normal(0, values.std(), (vocabulary, values.shape[1])).astype("<f4")
    write_safetensors(folder / "model.safetensors", tensors)
    config = json.loads((source / "config.json").read_text())
    config.get("text_config", config)["vocab_size"] = vocabulary
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def with_builtin_tokenizer(golden, folder):
    """With the byte-level tokenizer of the built-in model, 1024 tokens."""
    builtin = SOURCE / "resources/builtin"
    with_vocabulary(golden, folder, 1024, json.loads((builtin / "tokenizer.json").read_text()))
    shutil.copy(builtin / "tokenizer_config.json", folder)


def with_sentencepiece_tokenizer(golden, folder, prefix):
    vocabulary = sentencepiece(prefix)
    with_vocabulary(golden, folder, len(vocabulary["tokens"]), sentencepiece_json(vocabulary))
    (folder / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>"}))
