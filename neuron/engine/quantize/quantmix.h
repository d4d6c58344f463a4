// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/formats/gguf.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

/// A kind of GGUF file: one type for most of its matrices, and more bits for those that need them.
struct QuantMix {
    enum class Extra {
        None, ///< all matrices alike
        Small, ///< "_s": the value projections of four layers and the MLPs' outputs of an eighth of them
        Medium, ///< "_m": value projections and the MLPs' outputs of about half of the layers
    };
    std::string_view name; ///< as users write it: "q4_k_m"
    kernels::Type base;
    Extra extra;
    uint32_t fileType; ///< general.file_type
};

/// The type that one matrix gets when a model is quantized while it is loaded, `gguf` being its name in GGUF (or the
/// pattern with "{}" for the layer) and `stored` its type in the file; nothing where it stays as it is:
///
/// - what is quantized already, unless float32 is wanted: a matrix in float32 is multiplied with activations as they
///   are, so that nothing is rounded but what the file's own types have;
/// - norms, router gates, convolutions and other small weights;
/// - an embedding that is only looked up (WeightUse::Embedding): its rows are read in place from the file.
///
/// The output matrix, or the embedding that serves as it, becomes q8_0 of q8_0, bf16 of bf16 and so on, q6_k of all
/// types below that. Rows that are no whole blocks fall back as in chooseTypes.
std::optional<kernels::Type> typeAtLoad(kernels::Type wanted, std::string_view gguf, kernels::Type stored,
                                        int64_t columns, kernels::WeightUse use);

/// The type for typeAtLoad that a user means: any that matrices can be rounded to; of a mix ("q4_k_m") its base. Nothing
/// for an empty name; throws Error(BadRequest) for others, with a list.
std::optional<kernels::Type> quantTypeAtLoad(std::string_view name);

/// By its name in any case; nothing where there is none.
std::optional<QuantMix> findQuantMix(std::string_view name);
/// "f32, f16, …, q4_k_m", for messages.
std::string quantMixNames();

/// The type of every tensor of `file`, in its order, after quantization. The rules are llama.cpp's (without an
/// importance matrix), so that a file of the same name has the same parts:
///
/// - Vectors, norms, router gates, convolutions and whatever is no weight matrix stay as they are.
/// - The output matrix, or the embedding where it is that too, becomes q6_k (q8_0 stays q8_0; q8_0 also where its rows
///   are no whole blocks). Not for f32, f16 and bf16, which are for every matrix.
/// - By QuantMix::Extra, attn_v (or attn_qkv) and ffn_down become q6_k (_m) or q5_k (_s of q4_k) in the first and last
///   eighth of the layers and every third between; models of eight experts have attn_k and attn_v in q8_0 and, of
///   q4_k, attn_output in q5_k.
/// - iq4_nl and iq4_xs have ffn_down of the first eighth, and attn_v shared by four or more heads, in q5_k; q2_k and
///   q3_k have theirs as q3_k, q4_k and q5_k.
/// - Rows that are no whole blocks of 256 fall back: q2_k, q3_k to q4_0, q4_k to q5_0, q5_k to q5_1, q6_k to q8_0,
///   iq4_xs to iq4_nl; no whole blocks of 32: f16.
///
/// Nothing where a tensor stays in its type.
std::vector<std::optional<kernels::Type>> chooseTypes(const GgufFile& file, const QuantMix& mix);

} // namespace cortex::engine
