# SPDX-License-Identifier: GPL-3.0-only
"""The small random checkpoints of tests/golden: one of every family and every packing that the engine reads.

Sizes are tiny but not degenerate: fewer key than value heads, fewer key/value than query heads, partial rotation, a
vocabulary that is no multiple of anything, windows shorter than the prompt. Everything that a fresh model leaves at zero or
one (norms, biases, dt_bias, A_log, convolutions) is random, so that a forgotten weight shows.
"""
import dataclasses
import json
import math
import pathlib
import zlib

import safetensors.torch
import torch

VOCABULARY = 101

LINEAR_ATTENTION = dict(linear_conv_kernel_dim=4, linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2,
                        linear_num_value_heads=4)
PARTIAL_ROPE = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25, mrope_section=[2, 1, 1],
                    mrope_interleaved=True)
VISION = dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=64, num_position_embeddings=4,
              patch_size=4, spatial_merge_size=2, temporal_patch_size=1, in_channels=3, deepstack_visual_indexes=[])
BASE = dict(vocab_size=VOCABULARY, hidden_size=64, rms_norm_eps=1e-6, max_position_embeddings=1024, hidden_act="silu",
            attention_bias=False, bos_token_id=0, eos_token_id=1, tie_word_embeddings=False)
HYBRID = BASE | LINEAR_ATTENTION | dict(num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1, head_dim=32,
                                        intermediate_size=40)
DENSE = BASE | dict(num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=56)
EXPERTS = dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=16)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    name: str
    family: str
    config: dict
    dtype: str = "float32"
    experts: str = ""  # "fused" or "separate", as the file has them
    mtp: bool = False  # the file has a multi-token prediction head, which logits do not depend on
    shards: int = 1
    prefix: tuple = ()  # (as transformers names tensors, as the file does), where the two differ
    weights_of: str = ""  # same weights, and so same logits, as that checkpoint: another packing of it
    gguf: bool = False  # also as llama.cpp's converter writes it
    seed: int = 0  # another one where a router's choice was a near tie

    @property
    def text_config(self):
        return self.config.get("text_config", self.config)


def hybrid_layers(count, interval):
    return ["full_attention" if (i + 1) % interval == 0 else "linear_attention" for i in range(count)]


MOE_TEXT = {k: v for k, v in HYBRID.items() if k != "intermediate_size"} | EXPERTS | dict(
    model_type="qwen3_5_moe_text", layer_types=hybrid_layers(2, 2), num_hidden_layers=2, full_attention_interval=2,
    rope_parameters=PARTIAL_ROPE, shared_expert_intermediate_size=24, attn_output_gate=True, mtp_num_hidden_layers=0,
    tie_word_embeddings=True)
QWEN3_5_MOE = dict(model_type="qwen3_5_moe", architectures=["Qwen3_5MoeForConditionalGeneration"],
                   tie_word_embeddings=True, text_config=MOE_TEXT, vision_config=dict(model_type="qwen3_5_moe_vision", **VISION))
# Three value heads to a key head, as in the 27B model: two to two would hide a permutation that is taken for its inverse.
QWEN3_5 = dict(model_type="qwen3_5", architectures=["Qwen3_5ForConditionalGeneration"], tie_word_embeddings=False,
               text_config=HYBRID | dict(model_type="qwen3_5_text", layer_types=hybrid_layers(4, 4),
                                         linear_num_value_heads=6, rope_parameters=PARTIAL_ROPE, attn_output_gate=True,
                                         output_gate_type="swish", mtp_num_hidden_layers=1, full_attention_interval=4),
               vision_config=dict(model_type="qwen3_5_vision", **VISION))
# The flat form: no layer_types, tied.
QWEN3_5_TEXT = HYBRID | dict(
    model_type="qwen3_5_text", architectures=["Qwen3_5ForCausalLM"], full_attention_interval=2,
    num_key_value_heads=2, tie_word_embeddings=True, mtp_num_hidden_layers=0,
    rope_parameters=dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25))
QWEN3_NEXT = HYBRID | EXPERTS | dict(
    model_type="qwen3_next", architectures=["Qwen3NextForCausalLM"], shared_expert_intermediate_size=24, norm_topk_prob=True,
    decoder_sparse_step=1, mlp_only_layers=[], partial_rotary_factor=0.25, rope_theta=10000.0, rope_scaling=None,
    full_attention_interval=4)
QWEN3 = DENSE | dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"], rope_theta=1000000.0, rope_scaling=None,
                     num_attention_heads=3, num_key_value_heads=1, head_dim=32, use_sliding_window=False,
                     sliding_window=None, tie_word_embeddings=True)
QWEN3_MOE = DENSE | EXPERTS | dict(model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], rope_theta=1000000.0,
                                   rope_scaling=None, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])
QWEN2 = {k: v for k, v in DENSE.items() if k not in ("head_dim", "attention_bias")} | dict(
    model_type="qwen2", architectures=["Qwen2ForCausalLM"], rope_theta=1000000.0, use_sliding_window=False,
    sliding_window=131072)
LLAMA = DENSE | dict(
    model_type="llama", architectures=["LlamaForCausalLM"], rms_norm_eps=1e-5, rope_theta=500000.0, mlp_bias=False,
    pretraining_tp=1, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                        original_max_position_embeddings=64))
LLAMA_YARN = DENSE | dict(
    model_type="llama", architectures=["LlamaForCausalLM"], rms_norm_eps=1e-5, mlp_bias=False, tie_word_embeddings=True,
    rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0,
                         original_max_position_embeddings=64))
# The first Mistral has a sliding window, which llama.cpp's converter leaves out of the file; later ones have none.
MISTRAL = DENSE | dict(model_type="mistral", architectures=["MistralForCausalLM"], rms_norm_eps=1e-5, rope_theta=10000.0,
                       sliding_window=48, head_dim=32, num_attention_heads=2, num_key_value_heads=1)
GEMMA3_TEXT = {k: v for k, v in DENSE.items() if k != "hidden_act"} | dict(
    model_type="gemma3_text", architectures=["Gemma3ForCausalLM"], num_hidden_layers=6, intermediate_size=40,
    num_attention_heads=2, num_key_value_heads=1, hidden_activation="gelu_pytorch_tanh", sliding_window=40, sliding_window_pattern=6,
    rope_theta=1000000.0, rope_local_base_freq=10000.0, query_pre_attn_scalar=16, tie_word_embeddings=True,
    attn_logit_softcapping=None, final_logit_softcapping=None)
# The composite form, as the 4B model and up have it: global layers scaled linearly, another attention scale.
GEMMA3 = dict(
    model_type="gemma3", architectures=["Gemma3ForConditionalGeneration"], mm_tokens_per_image=1, tie_word_embeddings=True,
    text_config=GEMMA3_TEXT | dict(num_hidden_layers=3, sliding_window_pattern=2, query_pre_attn_scalar=24,
                                   rope_scaling=dict(rope_type="linear", factor=8.0)),
    vision_config=dict(model_type="siglip_vision_model", hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                       num_attention_heads=2, image_size=16, patch_size=16, vision_use_head=False))

CHECKPOINTS = [
    Checkpoint("qwen3_5", "qwen3_5", QWEN3_5, mtp=True, gguf=True),
    Checkpoint("qwen3_5-bf16", "qwen3_5", QWEN3_5, dtype="bfloat16"),
    Checkpoint("qwen3_5_text", "qwen3_5", QWEN3_5_TEXT),
    Checkpoint("qwen3_5_moe", "qwen3_5_moe", QWEN3_5_MOE, experts="fused", gguf=True, seed=1),
    Checkpoint("qwen3_5_moe-separate", "qwen3_5_moe", QWEN3_5_MOE, experts="separate", weights_of="qwen3_5_moe", seed=1),
    Checkpoint("qwen3_next", "qwen3_next", QWEN3_NEXT, experts="separate", gguf=True, seed=0),
    Checkpoint("qwen3", "qwen3", QWEN3, gguf=True),
    Checkpoint("qwen3-sharded", "qwen3", QWEN3, shards=2, weights_of="qwen3"),
    Checkpoint("qwen3-bf16", "qwen3", QWEN3, dtype="bfloat16"),
    Checkpoint("qwen3_moe", "qwen3_moe", QWEN3_MOE, experts="separate", gguf=True, seed=1),
    Checkpoint("qwen2", "qwen2", QWEN2, gguf=True),
    Checkpoint("llama-llama3", "llama", LLAMA, gguf=True),
    Checkpoint("llama-yarn", "llama", LLAMA_YARN, gguf=True),
    Checkpoint("mistral", "mistral", MISTRAL),
    Checkpoint("mistral-v0.3", "mistral", MISTRAL | dict(sliding_window=None), gguf=True),
    Checkpoint("gemma3_text", "gemma3", GEMMA3_TEXT, gguf=True),
    Checkpoint("gemma3", "gemma3", GEMMA3, prefix=(("model.language_model.", "language_model.model."),
                                                   ("model.vision_tower.", "vision_tower."),
                                                   ("model.multi_modal_projector.", "multi_modal_projector."))),
]


class Random:
    """Weights that belong to a checkpoint's seed and a tensor's name alone."""

    def __init__(self, checkpoint):
        self.seed = f"{checkpoint.weights_of or checkpoint.name}/{checkpoint.seed}"
        self.zero_centred = checkpoint.family in ("qwen3_5", "qwen3_5_moe", "qwen3_next", "gemma3")
        self.tied = checkpoint.text_config["tie_word_embeddings"]
        self.width = checkpoint.text_config["hidden_size"]
        self.gemma = checkpoint.family == "gemma3"

    def tensor(self, name, shape):
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.seed}/{name}".encode()))

        def normal(scale):
            return torch.randn(shape, generator=generator) * scale

        def uniform(low, high):
            return low + (high - low) * torch.rand(shape, generator=generator)

        if name.endswith("A_log"):
            return uniform(0.2, 8.0).log()
        if name.endswith("dt_bias"):  # softplus(dt_bias) from 0.003 to 0.3, so that some heads remember across chunks
            step = uniform(math.log(0.003), math.log(0.3)).exp()
            return step.expm1().log()
        if name.endswith("conv1d.weight"):
            return normal(0.5)
        if len(shape) == 1 and "norm" in name and name.endswith("weight"):
            plain = not self.zero_centred or "linear_attn.norm" in name or "vis" in name
            return plain + normal(0.25)
        if name.endswith("bias"):
            return normal(0.3)
        if name.endswith("embed_tokens.weight"):
            # A tied one is the head as well.
            return normal(0.25 if self.tied else 1.0) * (0.5 if self.gemma else 1.0)
        if name.endswith("lm_head.weight"):
            return normal(2.0 / math.sqrt(shape[-1]))
        if name.endswith("mlp.gate.weight"):  # the router: far from ties
            return normal(3.0 / math.sqrt(shape[-1]))
        return normal(1.0 / math.sqrt(math.prod(shape[2:]) * shape[-1] if len(shape) > 3 else shape[-1]))


def mtp_shapes(config):
    """Tensors of a multi-token prediction head: one full-attention block between two norms and a projection."""
    width, heads, kv_heads, dim, inner = (config[k] for k in ("hidden_size", "num_attention_heads", "num_key_value_heads",
                                                              "head_dim", "intermediate_size"))
    block = {"input_layernorm": [width], "post_attention_layernorm": [width], "self_attn.q_proj": [2 * heads * dim, width],
             "self_attn.k_proj": [kv_heads * dim, width], "self_attn.v_proj": [kv_heads * dim, width],
             "self_attn.o_proj": [width, heads * dim], "self_attn.q_norm": [dim], "self_attn.k_norm": [dim],
             "mlp.gate_proj": [inner, width], "mlp.up_proj": [inner, width], "mlp.down_proj": [width, inner]}
    head = {"fc": [width, 2 * width], "pre_fc_norm_embedding": [width], "pre_fc_norm_hidden": [width], "norm": [width]}
    return {f"mtp.layers.0.{k}.weight": v for k, v in block.items()} | {f"mtp.{k}.weight": v for k, v in head.items()}


def split_experts(tensors):
    """experts.gate_up_proj [E, 2I, H] and experts.down_proj [E, H, I] as one tensor per expert and projection."""
    out = {}
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        if last == "gate_up_proj":
            for i, expert in enumerate(tensor):
                out[f"{stem}.{i}.gate_proj.weight"], out[f"{stem}.{i}.up_proj.weight"] = expert.chunk(2)
        elif last == "down_proj" and stem.endswith("experts"):
            for i, expert in enumerate(tensor):
                out[f"{stem}.{i}.down_proj.weight"] = expert
        else:
            out[name] = tensor
    return out


def tensors_of(checkpoint, shapes):
    """The file's tensors. `shapes`: those of the model's parameters, by transformers' names."""
    random = Random(checkpoint)
    tensors = {name: random.tensor(name, shape) for name, shape in shapes.items()}
    if checkpoint.mtp:
        tensors |= {name: random.tensor(name, shape) for name, shape in mtp_shapes(checkpoint.text_config).items()}
    if checkpoint.experts == "separate":
        tensors = split_experts(tensors)
    for there, here in checkpoint.prefix:
        tensors = {here + name.removeprefix(there) if name.startswith(there) else name: t for name, t in tensors.items()}
    dtype = getattr(torch, checkpoint.dtype)
    return {name: tensor.to(dtype).contiguous() for name, tensor in sorted(tensors.items())}


def save(tensors, file):
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})
    file.chmod(0o644)


def write(checkpoint, tensors, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    config = json.loads(json.dumps(checkpoint.config))
    config["dtype"] = checkpoint.dtype
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    if checkpoint.shards == 1:
        save(tensors, folder / "model.safetensors")
        return
    names, where = list(tensors), {}
    for i in range(checkpoint.shards):
        file = f"model-{i + 1:05}-of-{checkpoint.shards:05}.safetensors"
        part = names[i * len(names) // checkpoint.shards:(i + 1) * len(names) // checkpoint.shards]
        save({n: tensors[n] for n in part}, folder / file)
        where |= {n: file for n in part}
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def checkpoint_folder():
    return pathlib.Path(__file__).resolve().parents[1] / "golden"
