// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/models/checkpoint.h"

/// The weights of decoder models, by both of their names. See TensorName.
namespace cortex::engine::names {

// Both ends.
inline constexpr TensorName TokenEmbedding{"token_embd.weight", "embed_tokens.weight"};
inline constexpr TensorName OutputNorm{"output_norm.weight", "norm.weight"};
inline constexpr TensorName Output{"output.weight", "/lm_head.weight"};
inline constexpr TensorName RopeDivisors{"rope_freqs.weight", ""};

// Norms of a layer. The two formats agree on the name post_attention_norm, but not on what it stands before: in Llama's
// naming for safetensors it is the norm of the feed-forward input, in Gemma's that of the attention's result.
inline constexpr TensorName AttentionNorm{"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight"};
inline constexpr TensorName FeedForwardNorm{"blk.{}.ffn_norm.weight", "layers.{}.post_attention_layernorm.weight"};
inline constexpr TensorName PostAttentionNorm{"blk.{}.post_attention_norm.weight",
                                              "layers.{}.post_attention_layernorm.weight"};
inline constexpr TensorName PreFeedForwardNorm{"blk.{}.ffn_norm.weight", "layers.{}.pre_feedforward_layernorm.weight"};
inline constexpr TensorName PostFeedForwardNorm{"blk.{}.post_ffw_norm.weight",
                                                "layers.{}.post_feedforward_layernorm.weight"};

// Attention.
inline constexpr TensorName Query{"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight"};
inline constexpr TensorName QueryBias{"blk.{}.attn_q.bias", "layers.{}.self_attn.q_proj.bias"};
inline constexpr TensorName QueryNorm{"blk.{}.attn_q_norm.weight", "layers.{}.self_attn.q_norm.weight"};
inline constexpr TensorName Key{"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight"};
inline constexpr TensorName KeyBias{"blk.{}.attn_k.bias", "layers.{}.self_attn.k_proj.bias"};
inline constexpr TensorName KeyNorm{"blk.{}.attn_k_norm.weight", "layers.{}.self_attn.k_norm.weight"};
inline constexpr TensorName Value{"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"};
inline constexpr TensorName ValueBias{"blk.{}.attn_v.bias", "layers.{}.self_attn.v_proj.bias"};
inline constexpr TensorName AttentionOutput{"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"};
inline constexpr TensorName AttentionOutputBias{"blk.{}.attn_output.bias", "layers.{}.self_attn.o_proj.bias"};

// Gated DeltaNet. Queries, keys and values (and the gate) come in one projection or packed per key head.
inline constexpr TensorName DeltaMixed{"blk.{}.attn_qkv.weight", "layers.{}.linear_attn.in_proj_qkv.weight"};
inline constexpr TensorName DeltaGate{"blk.{}.attn_gate.weight", "layers.{}.linear_attn.in_proj_z.weight"};
inline constexpr TensorName DeltaMixedGate{"blk.{}.ssm_in.weight", "layers.{}.linear_attn.in_proj_qkvz.weight"};
inline constexpr TensorName DeltaBeta{"blk.{}.ssm_beta.weight", "layers.{}.linear_attn.in_proj_b.weight"};
inline constexpr TensorName DeltaDecay{"blk.{}.ssm_alpha.weight", "layers.{}.linear_attn.in_proj_a.weight"};
inline constexpr TensorName DeltaBetaDecay{"blk.{}.ssm_ba.weight", "layers.{}.linear_attn.in_proj_ba.weight"};
inline constexpr TensorName DeltaConvolution{"blk.{}.ssm_conv1d.weight", "layers.{}.linear_attn.conv1d.weight"};
inline constexpr TensorName DeltaDecayRate{"blk.{}.ssm_a", "layers.{}.linear_attn.A_log"};
inline constexpr TensorName DeltaDecayBias{"blk.{}.ssm_dt.bias", "layers.{}.linear_attn.dt_bias"};
inline constexpr TensorName DeltaNorm{"blk.{}.ssm_norm.weight", "layers.{}.linear_attn.norm.weight"};
inline constexpr TensorName DeltaOutput{"blk.{}.ssm_out.weight", "layers.{}.linear_attn.out_proj.weight"};

// Feed-forward.
inline constexpr TensorName Gate{"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"};
inline constexpr TensorName Up{"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"};
inline constexpr TensorName Down{"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"};

// Mixture of experts: one by one, or all of a layer in one tensor, gates before ups where these share one.
inline constexpr TensorName Router{"blk.{}.ffn_gate_inp.weight", "layers.{}.mlp.gate.weight"};
inline constexpr TensorName ExpertGate{"blk.{}.ffn_gate.{}.weight", "layers.{}.mlp.experts.{}.gate_proj.weight"};
inline constexpr TensorName ExpertUp{"blk.{}.ffn_up.{}.weight", "layers.{}.mlp.experts.{}.up_proj.weight"};
inline constexpr TensorName ExpertDown{"blk.{}.ffn_down.{}.weight", "layers.{}.mlp.experts.{}.down_proj.weight"};
inline constexpr TensorName ExpertGates{"blk.{}.ffn_gate_exps.weight", ""};
inline constexpr TensorName ExpertUps{"blk.{}.ffn_up_exps.weight", ""};
inline constexpr TensorName ExpertGatesUps{"blk.{}.ffn_gate_up_exps.weight", "layers.{}.mlp.experts.gate_up_proj"};
inline constexpr TensorName ExpertDowns{"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.down_proj"};
inline constexpr TensorName SharedExpertGate{"blk.{}.ffn_gate_shexp.weight",
                                             "layers.{}.mlp.shared_expert.gate_proj.weight"};
inline constexpr TensorName SharedExpertUp{"blk.{}.ffn_up_shexp.weight", "layers.{}.mlp.shared_expert.up_proj.weight"};
inline constexpr TensorName SharedExpertDown{"blk.{}.ffn_down_shexp.weight",
                                             "layers.{}.mlp.shared_expert.down_proj.weight"};
inline constexpr TensorName SharedExpertShare{"blk.{}.ffn_gate_inp_shexp.weight",
                                              "layers.{}.mlp.shared_expert_gate.weight"};

} // namespace cortex::engine::names
