// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"

/// The weights of decoder models, by both of their names. See TensorName.
namespace cortex::engine::names {

inline constexpr TensorName TokenEmbedding{"token_embd.weight", "embed_tokens.weight"};
inline constexpr TensorName OutputNorm{"output_norm.weight", "norm.weight"};
inline constexpr TensorName Output{"output.weight", "/lm_head.weight"};
inline constexpr TensorName RopeDivisors{"rope_freqs.weight", "/rope_freqs.weight"};

inline constexpr TensorName AttentionNorm{"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight"};
inline constexpr TensorName Query{"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight"};
inline constexpr TensorName QueryBias{"blk.{}.attn_q.bias", "layers.{}.self_attn.q_proj.bias"};
inline constexpr TensorName Key{"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight"};
inline constexpr TensorName KeyBias{"blk.{}.attn_k.bias", "layers.{}.self_attn.k_proj.bias"};
inline constexpr TensorName Value{"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"};
inline constexpr TensorName ValueBias{"blk.{}.attn_v.bias", "layers.{}.self_attn.v_proj.bias"};
inline constexpr TensorName AttentionOutput{"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"};
inline constexpr TensorName AttentionOutputBias{"blk.{}.attn_output.bias", "layers.{}.self_attn.o_proj.bias"};

inline constexpr TensorName FeedForwardNorm{"blk.{}.ffn_norm.weight", "layers.{}.post_attention_layernorm.weight"};
inline constexpr TensorName Gate{"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"};
inline constexpr TensorName Up{"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"};
inline constexpr TensorName Down{"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"};

} // namespace cortex::engine::names
