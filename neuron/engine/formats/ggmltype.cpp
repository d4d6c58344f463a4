// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/ggmltype.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace cortex::engine {

namespace {

using kernels::Type;

struct GgmlType {
    uint32_t number;
    std::string_view name;
    std::optional<Type> type; ///< nothing where we do not read it
};

constexpr GgmlType ggmlTypes[]{
    {0, "F32", Type::F32},         {1, "F16", Type::F16},         {2, "Q4_0", Type::Q4_0},
    {3, "Q4_1", Type::Q4_1},       {4, "Q4_2", std::nullopt},     {5, "Q4_3", std::nullopt},
    {6, "Q5_0", Type::Q5_0},       {7, "Q5_1", Type::Q5_1},       {8, "Q8_0", Type::Q8_0},
    {9, "Q8_1", std::nullopt},     {10, "Q2_K", Type::Q2_K},      {11, "Q3_K", Type::Q3_K},
    {12, "Q4_K", Type::Q4_K},      {13, "Q5_K", Type::Q5_K},      {14, "Q6_K", Type::Q6_K},
    {15, "Q8_K", std::nullopt},    {16, "IQ2_XXS", std::nullopt}, {17, "IQ2_XS", std::nullopt},
    {18, "IQ3_XXS", std::nullopt}, {19, "IQ1_S", std::nullopt},   {20, "IQ4_NL", Type::IQ4_NL},
    {21, "IQ3_S", std::nullopt},   {22, "IQ2_S", std::nullopt},   {23, "IQ4_XS", Type::IQ4_XS},
    {24, "I8", std::nullopt},      {25, "I16", std::nullopt},     {26, "I32", Type::I32},
    {27, "I64", std::nullopt},     {28, "F64", std::nullopt},     {29, "IQ1_M", std::nullopt},
    {30, "BF16", Type::BF16},      {34, "TQ1_0", std::nullopt},   {35, "TQ2_0", std::nullopt},
    {39, "MXFP4", Type::MXFP4},    {40, "NVFP4", std::nullopt},   {41, "Q1_0", std::nullopt},
};

} // namespace

std::optional<Type> typeFromGgml(uint32_t number)
{
    const auto* found = std::ranges::find(ggmlTypes, number, &GgmlType::number);
    return found == std::end(ggmlTypes) ? std::nullopt : found->type;
}

uint32_t ggmlNumber(Type type)
{
    return std::ranges::find(ggmlTypes, std::optional(type), &GgmlType::type)->number;
}

std::string ggmlTypeName(uint32_t number)
{
    const auto* found = std::ranges::find(ggmlTypes, number, &GgmlType::number);
    return found == std::end(ggmlTypes) ? "ggml type " + std::to_string(number) : std::string(found->name);
}

} // namespace cortex::engine
