# SPDX-License-Identifier: GPL-3.0-only
"""What the comparisons ask of a GGUF file beside running it."""


def adds_bos(model):
    """Whether a GGUF file wants its prompts to begin with bos, by llama.cpp's rules."""
    import gguf

    fields = gguf.GGUFReader(model).fields
    said = fields.get("tokenizer.ggml.add_bos_token")
    return said.contents() if said else fields["tokenizer.ggml.model"].contents() == "llama"
