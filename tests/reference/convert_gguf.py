#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Runs llama.cpp's converter over a checkpoint that has no tokenizer: SAFETENSORS-DIRECTORY to float32 GGUF-FILE.

The file then says tokenizer.ggml.model = "none". The converter's Gemma part counts the tokens of tokenizer.json: it gets one
of the right length in a temporary folder.

  convert_gguf.py --llama-cpp DIRECTORY [--no-mtp] CHECKPOINT OUT.gguf
"""
import argparse
import json
import pathlib
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True, help="a llama.cpp source tree")
    parser.add_argument("--no-mtp", action="store_true", help="the checkpoint has no multi-token prediction head")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    sys.path[:0] = [str(options.llama_cpp / "gguf-py"), str(options.llama_cpp)]
    import convert_hf_to_gguf as converter

    config = json.loads((options.checkpoint / "config.json").read_text())
    vocabulary = config.get("text_config", config)["vocab_size"]
    hparams = converter.ModelBase.load_hparams(options.checkpoint, False)
    architecture = converter.get_model_architecture(hparams, converter.ModelType.TEXT)
    cls = converter.get_model_class(architecture)

    def set_vocab(model):
        model._set_vocab_none()
        model.gguf_writer.add_vocab_size(vocabulary)  # llama.cpp wants it where there are no tokens to count

    cls.set_vocab = set_vocab
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for file in options.checkpoint.iterdir():
            (folder / file.name).symlink_to(file.resolve())
        tokens = {"model": {"vocab": {str(i): i for i in range(vocabulary)}}, "added_tokens": []}
        (folder / "tokenizer.json").write_text(json.dumps(tokens))
        arguments = [str(folder), "--outfile", str(options.out), "--outtype", "f32", "--model-name", options.checkpoint.name]
        if options.no_mtp and cls.supports_mtp_export:
            arguments.append("--no-mtp")
        sys.argv = ["convert_hf_to_gguf.py"] + arguments
        converter.main()


if __name__ == "__main__":
    main()
