// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cortex::kernels {

/// Element types of tensors. The block formats are GGUF's, bit for bit, as a file holds them; a device may pack them
/// differently once loaded (Device::loadWeight).
enum class Type : uint8_t {
    F32,
    F16,
    BF16,
    I32,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q5_K,
    Q6_K,
    Q2_K,
    Q3_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    F8_E4M3, ///< of safetensors; is rounded to another type before a device multiplies with it
};

/// Layout of one type: `blockElements` consecutive elements of a row take `blockBytes` bytes. Dense types have blocks
/// of one element.
struct TypeTraits {
    std::string_view name; ///< lower case, as users write it: "q4_k"
    int blockElements;
    int blockBytes;

    bool isQuantized() const { return blockElements > 1; }
};

const TypeTraits& traits(Type type);

/// The type with that name in any case ("Q4_K", "bf16"), or nothing.
std::optional<Type> typeFromName(std::string_view name);

/// Bytes of a row of `columns` elements; `columns` is a multiple of the block (checked by whoever reads the file).
size_t rowBytes(Type type, int64_t columns);

/// Expands `count` elements (a multiple of the block) at `source`, in file format, into float32. The reference
/// conversion: bit-exact with the `gguf` Python package. Also used for embedding rows and norms.
void dequantize(Type type, const void* source, float* destination, int64_t count);

/// 1 sign, 4 exponent, 3 mantissa bits; no infinities, 0x7f and 0xff are NaN (the "fn" of PyTorch's float8_e4m3fn).
float e4m3ToFloat(uint8_t bits);
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value); ///< rounds to nearest even
float bfloatToFloat(uint16_t bits);
uint16_t floatToBfloat(float value); ///< rounds to nearest even

} // namespace cortex::kernels
