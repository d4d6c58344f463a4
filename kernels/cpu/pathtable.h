// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/deltarule.h"
#include "kernels/cpu/dotproducts.h"
#include "kernels/cpu/fixedattention.h"
#include "kernels/cpu/pairproducts.h"
#include "kernels/cpu/path.h"
#include "kernels/cpu/rowwise.h"

// Fills a CpuPath from the templates for one vector type. Included by the path*.cpp files only; see products.h.

namespace cortex::kernels {
namespace {

template <class V, Type type, int rows>
constexpr CpuPath::Product productOf()
{
    if constexpr (rows > V::largestGroup)
        return nullptr;
    else if constexpr (type == Type::F32 || type == Type::F16 || type == Type::BF16)
        return denseProduct<V, type, rows>;
    else if constexpr (V::unsignedDot)
        return byteProduct<V, type, rows>;
    else
        return pairProduct<V, type, rows>;
}

template <class V, Type type>
CpuPath::Product productFor(int log2Rows)
{
    static constexpr CpuPath::Product products[] = {productOf<V, type, 1>(), productOf<V, type, 2>(),
                                                    productOf<V, type, 4>(), productOf<V, type, 8>(),
                                                    productOf<V, type, 16>()};
    return products[log2Rows];
}

template <class V>
CpuPath::Product findProduct(Type type, int log2Rows)
{
    switch (type) {
    case Type::F32:
        return productFor<V, Type::F32>(log2Rows);
    case Type::F16:
        return productFor<V, Type::F16>(log2Rows);
    case Type::BF16:
        return productFor<V, Type::BF16>(log2Rows);
    case Type::Q4_0:
        return productFor<V, Type::Q4_0>(log2Rows);
    case Type::Q4_1:
        return productFor<V, Type::Q4_1>(log2Rows);
    case Type::Q5_0:
        return productFor<V, Type::Q5_0>(log2Rows);
    case Type::Q5_1:
        return productFor<V, Type::Q5_1>(log2Rows);
    case Type::Q8_0:
        return productFor<V, Type::Q8_0>(log2Rows);
    case Type::Q4_K:
        return productFor<V, Type::Q4_K>(log2Rows);
    case Type::Q5_K:
        return productFor<V, Type::Q5_K>(log2Rows);
    case Type::Q6_K:
        return productFor<V, Type::Q6_K>(log2Rows);
    case Type::Q2_K:
        return productFor<V, Type::Q2_K>(log2Rows);
    case Type::Q3_K:
        return productFor<V, Type::Q3_K>(log2Rows);
    case Type::IQ4_NL:
        return productFor<V, Type::IQ4_NL>(log2Rows);
    case Type::IQ4_XS:
        return productFor<V, Type::IQ4_XS>(log2Rows);
    case Type::MXFP4:
        return productFor<V, Type::MXFP4>(log2Rows);
    case Type::I32:
    case Type::F8_E4M3:
        break;
    }
    return nullptr;
}

template <class V>
ActivationFormat formatFor(Type type)
{
    if (!traits(type).isQuantized())
        return ActivationFormat::Dense;
    const CodeTraits code = codeTraits(type);
    return V::unsignedDot         ? ActivationFormat::Blocks
        : code.productBits() == 8 ? ActivationFormat::Eights
        : code.superBlocks        ? ActivationFormat::SuperBlocks
                                  : ActivationFormat::Factored;
}

template <class V>
constexpr CpuPath pathOf(std::string_view name)
{
    return {
        name,           V::lanes,         V::largestGroup, formatFor<V>,
        findProduct<V>, quantizeRow<V>,   normalizeRow<V>, addRows<V>,
        gateRows<V>,    rotateHead<V>,    keepPosition<V>, storeSums<V>,
        attendAny<V>,   attendSpanAny<V>, mergeSpans<V>,   gateSigmoidRows<V>,
        softmaxRow<V>,  dotProduct<V>,    convolveRows<V>, runDelta<V>,
    };
}

} // namespace
} // namespace cortex::kernels
