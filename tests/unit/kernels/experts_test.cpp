// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

using namespace cortex::kernels;
using namespace cortex::kernels::test;

namespace {

/// A mixture layer.
struct Mixture {
    Type type = Type::F32; ///< of gate, and of up where that has none of its own
    Type downType = Type::F32;
    int64_t hidden = 40;
    int64_t inner = 24;
    int experts = 7;
    int perRow = 3;
    Activation activation = Activation::Silu;
    std::optional<Type> upType = std::nullopt;
};

struct Experts {
    std::vector<FileWeight> gate, up, down;

    Experts(const Mixture& mixture, Random& random)
    {
        for (int e = 0; e < mixture.experts; ++e) {
            gate.emplace_back(mixture.type, mixture.inner, mixture.hidden, random);
            up.emplace_back(mixture.upType.value_or(mixture.type), mixture.inner, mixture.hidden, random);
            down.emplace_back(mixture.downType, mixture.hidden, mixture.inner, random);
        }
    }
};

/// Rows of a layer's input with the experts that they go to.
struct Rows {
    int64_t rows;
    std::vector<float> x, before; ///< before: what the result is added to
    std::vector<int32_t> choice;
    std::vector<float> shares;

    /// Expert 2 is never chosen, expert 1 by most rows.
    Rows(const Mixture& mixture, int64_t count, Random& random)
        : rows(count)
        , x(random.floats(size_t(count * mixture.hidden), -2, 2))
        , before(random.floats(size_t(count * mixture.hidden)))
        , shares(random.floats(size_t(count) * size_t(mixture.perRow), 0.05f, 1))
    {
        for (int64_t row = 0; row < count; ++row) {
            std::vector<int32_t> chosen;
            while (int(chosen.size()) < mixture.perRow) {
                const int expert = chosen.empty() && row % 4 ? 1 : random.integer(0, mixture.experts - 1);
                if (expert != 2 && std::find(chosen.begin(), chosen.end(), expert) == chosen.end())
                    chosen.push_back(expert);
            }
            choice.insert(choice.end(), chosen.begin(), chosen.end());
        }
    }
    Rows(const Rows& all, const Mixture& mixture, int64_t first, int64_t count)
        : rows(count)
        , x(part(all.x, first, count, mixture.hidden))
        , before(part(all.before, first, count, mixture.hidden))
        , choice(part(all.choice, first, count, mixture.perRow))
        , shares(part(all.shares, first, count, mixture.perRow))
    {
    }

    template <class T>
    static std::vector<T> part(const std::vector<T>& values, int64_t first, int64_t count, int64_t width)
    {
        return {values.begin() + first * width, values.begin() + (first + count) * width};
    }
};

/// An ExpertChoice with memory of its own.
class DeviceChoice {
public:
    DeviceChoice(Device& device, int64_t rows, int64_t k)
        : m_device(device)
        , m_experts(device.allocate(size_t(rows * k) * 4))
        , m_shares(device, {rows, k})
    {
        choice = {Tensor::view(*m_experts, Type::I32, {rows, k}), m_shares.tensor()};
    }
    std::vector<int32_t> experts() const
    {
        std::vector<int32_t> values(size_t(choice.experts.elements()));
        m_device.download(values.data(), choice.experts);
        return values;
    }
    std::vector<float> shares() const { return m_shares.values(); }

    ExpertChoice choice;

private:
    Device& m_device;
    std::unique_ptr<Buffer> m_experts;
    DeviceTensor m_shares;
};

std::vector<WeightPtr> load(Device& device, const std::vector<FileWeight>& files)
{
    std::vector<WeightPtr> weights;
    for (const FileWeight& file : files)
        weights.push_back(device.loadWeight(file.source(), WeightUse::Product));
    return weights;
}

/// A mixture layer on a device.
class DeviceExperts {
public:
    DeviceExperts(Device& device, const Mixture& mixture, const Experts& experts, const FileWeight& norm)
        : m_device(device)
        , m_mixture(mixture)
        , m_gate(load(device, experts.gate))
        , m_up(load(device, experts.up))
        , m_down(load(device, experts.down))
        , m_norm(device.loadWeight(norm.source(), WeightUse::Vector))
    {
    }

    std::vector<float> run(const Rows& rows)
    {
        DeviceChoice chosen(m_device, rows.rows, m_mixture.perRow);
        m_device.upload(chosen.choice.experts, rows.choice.data());
        m_device.upload(chosen.choice.shares, rows.shares.data());
        const DeviceTensor x(m_device, {rows.rows, m_mixture.hidden}, rows.x);
        const DeviceTensor inner(m_device, {rows.rows * m_mixture.perRow, m_mixture.inner});
        const DeviceTensor out(m_device, {rows.rows, m_mixture.hidden}, rows.before);
        m_device.expertFeedForward({x.tensor(), m_norm.get(), 1e-6f}, {m_gate, m_up, m_down}, chosen.choice,
                                   m_mixture.activation, inner.tensor(), out.tensor());
        return out.values();
    }

    /// The same out of the operations for a single feed-forward network, row by row.
    std::vector<float> composed(const Rows& rows)
    {
        std::vector<float> result;
        for (int64_t row = 0; row < rows.rows; ++row) {
            const Rows own(rows, m_mixture, row, 1);
            std::vector<std::pair<int32_t, float>> order;
            for (int j = 0; j < m_mixture.perRow; ++j)
                order.emplace_back(own.choice[size_t(j)], own.shares[size_t(j)]);
            std::sort(order.begin(), order.end());
            const DeviceTensor x(m_device, {1, m_mixture.hidden}, own.x);
            const DeviceTensor inner(m_device, {1, m_mixture.inner}), out(m_device, {1, m_mixture.hidden});
            std::vector<float> sum = own.before;
            for (const auto& [expert, share] : order) {
                const size_t e = size_t(expert);
                m_device.gatedLinear({x.tensor(), m_norm.get(), 1e-6f}, *m_gate[e], *m_up[e], m_mixture.activation,
                                     inner.tensor());
                const LinearOutput down{m_down[e].get(), out.tensor()};
                m_device.linear({inner.tensor()}, {&down, 1});
                const std::vector<float> values = out.values();
                for (size_t i = 0; i < sum.size(); ++i)
                    sum[i] += share * values[i];
            }
            result.insert(result.end(), sum.begin(), sum.end());
        }
        return result;
    }

private:
    Device& m_device;
    Mixture m_mixture;
    std::vector<WeightPtr> m_gate, m_up, m_down;
    WeightPtr m_norm;
};

std::vector<double> multiply(const FileWeight& weight, const std::vector<double>& x)
{
    std::vector<double> out(static_cast<size_t>(weight.rows));
    for (size_t row = 0; row < out.size(); ++row)
        for (size_t column = 0; column < x.size(); ++column)
            out[row] += double(weight.values[row * x.size() + column]) * x[column];
    return out;
}

/// What run() adds to `before`, in double precision.
std::vector<double> reference(const Mixture& mixture, const Experts& experts, const FileWeight& norm, const Rows& rows)
{
    std::vector<double> result;
    for (int64_t row = 0; row < rows.rows; ++row) {
        const Rows own(rows, mixture, row, 1);
        std::vector<double> x(own.x.begin(), own.x.end());
        double squares = 0;
        for (double value : x)
            squares += value * value;
        for (size_t i = 0; i < x.size(); ++i)
            x[i] *= double(norm.values[i]) / std::sqrt(squares / double(x.size()) + 1e-6);
        std::vector<double> sum(x.size());
        for (size_t j = 0; j < own.choice.size(); ++j) {
            const size_t e = size_t(own.choice[j]);
            std::vector<double> inner = multiply(experts.gate[e], x);
            const std::vector<double> up = multiply(experts.up[e], x);
            for (size_t i = 0; i < inner.size(); ++i) {
                const double z = inner[i];
                const double argument = mixture.activation == Activation::Silu
                    ? z
                    : 2 * std::sqrt(2 / 3.14159265358979) * (z + 0.044715 * z * z * z);
                inner[i] = z / (1 + std::exp(-argument)) * up[i];
            }
            const std::vector<double> down = multiply(experts.down[e], inner);
            for (size_t i = 0; i < sum.size(); ++i)
                sum[i] += double(own.shares[j]) * down[i];
        }
        result.insert(result.end(), sum.begin(), sum.end());
    }
    return result;
}

WorkspaceLimits limitsFor(const Mixture& mixture, int rows)
{
    return {.rows = rows,
            .columns = std::max(mixture.hidden, mixture.inner),
            .heads = 1,
            .headDim = 16,
            .experts = mixture.experts,
            .expertsPerRow = mixture.perRow};
}

/// Every weight type; those with blocks of 256 need longer rows.
std::vector<Mixture> mixtures()
{
    std::vector<Mixture> all;
    for (Type type : productTypes) {
        const bool dense = !traits(type).isQuantized(), super = traits(type).blockElements == 256;
        all.push_back({type, type, super ? 256 : dense ? 40 : 96, super ? 256 : dense ? 24 : 64});
    }
    all.push_back({Type::Q4_K, Type::Q6_K, 512, 256, 5, 1});
    all.push_back({Type::Q4_K, Type::Q8_0, 256, 64, 5, 3, Activation::Silu, Type::Q8_0});
    all.push_back({Type::Q4_0, Type::F16, 64, 32, 4, 2, Activation::GeluTanh});
    all.push_back({Type::BF16, Type::Q8_0, 72, 64, 9, 8});
    return all;
}

} // namespace

TEST_CASE("routeExperts chooses the greatest, of equals the lower number")
{
    const std::vector<float> logits{1,   3,    3,    0,    2,    3, // ties
                                    -90, -300, -200, -100, -400, 5, // shares that underflow keep their order
                                    0,   0,    0,    0,    0,    0};
    const std::vector<int32_t> expected{1, 2, 5, 4, 5, 0, 3, 2, 0, 1, 2, 3};
    for (const auto& device : allDevices({.rows = 8, .columns = 32, .headDim = 16, .experts = 6, .expertsPerRow = 4})) {
        INFO(describe(*device));
        for (bool renormalise : {false, true}) {
            const DeviceTensor x(*device, {3, 6}, logits);
            DeviceChoice chosen(*device, 3, 4);
            device->routeExperts(chosen.choice, x.tensor(), renormalise);
            CHECK(chosen.experts() == expected);
            const std::vector<float> shares = chosen.shares();
            for (size_t row = 0; row < 3; ++row) {
                double all = 0, picked = 0;
                for (size_t e = 0; e < 6; ++e)
                    all += std::exp(double(logits[row * 6 + e]));
                for (size_t j = 0; j < 4; ++j)
                    picked += std::exp(double(logits[row * 6 + size_t(expected[row * 4 + j])]));
                for (size_t j = 0; j < 4; ++j)
                    CHECK(double(shares[row * 4 + j])
                          == doctest::Approx(std::exp(double(logits[row * 6 + size_t(expected[row * 4 + j])]))
                                             / (renormalise ? picked : all))
                                 .epsilon(1e-6));
            }
        }
    }
}

TEST_CASE("routeExperts names experts that exist whatever the logits are")
{
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    const std::vector<float> logits{nan, nan, nan, nan, nan, 1, nan, 2, inf, inf, inf, inf, -inf, -inf, -inf, -inf};
    const std::vector<int32_t> expected{0, 1, 3, 1, 0, 1, 0, 1};
    for (const auto& device : allDevices({.rows = 8, .columns = 32, .headDim = 16, .experts = 4, .expertsPerRow = 2})) {
        INFO(describe(*device));
        const DeviceTensor x(*device, {4, 4}, logits);
        DeviceChoice chosen(*device, 4, 2);
        device->routeExperts(chosen.choice, x.tensor(), true);
        CHECK(chosen.experts() == expected);
    }
}

TEST_CASE("routeExperts matches a sort over many experts")
{
    Random random(31);
    const int rows = 20, experts = 130, k = 10;
    const std::vector<float> logits = random.floats(size_t(rows * experts), -8, 8);
    for (const auto& device :
         allDevices({.rows = rows, .columns = 32, .headDim = 16, .experts = experts, .expertsPerRow = k})) {
        INFO(describe(*device));
        const DeviceTensor x(*device, {rows, experts}, logits);
        DeviceChoice chosen(*device, rows, k);
        device->routeExperts(chosen.choice, x.tensor(), false);
        std::vector<int32_t> expected;
        std::vector<double> shares;
        for (size_t row = 0; row < size_t(rows); ++row) {
            const float* own = logits.data() + row * size_t(experts);
            std::vector<int32_t> order;
            double sum = 0;
            for (int e = 0; e < experts; ++e) {
                order.push_back(e);
                sum += std::exp(double(own[e]));
            }
            std::stable_sort(order.begin(), order.end(), [own](int a, int b) { return own[a] > own[b]; });
            for (int j = 0; j < k; ++j) {
                expected.push_back(order[size_t(j)]);
                shares.push_back(std::exp(double(own[order[size_t(j)]])) / sum);
            }
        }
        CHECK(chosen.experts() == expected);
        CHECK(relativeError(chosen.shares(), shares) < 1e-6);
    }
}

TEST_CASE("expertFeedForward matches the reference and the operations that it is made of")
{
    for (const Mixture& mixture : mixtures()) {
        CAPTURE(traits(mixture.type).name);
        CAPTURE(traits(mixture.downType).name);
        Random random(32);
        const Experts experts(mixture, random);
        const FileWeight norm(random.floats(size_t(mixture.hidden), 0.5f, 2));
        const Rows rows(mixture, 33, random);
        const std::vector<double> expected = reference(mixture, experts, norm, rows);
        // Activations are quantized to eight bits before either product.
        const bool dense = !traits(mixture.type).isQuantized() && !traits(mixture.downType).isQuantized();
        for (const auto& device : allDevices(limitsFor(mixture, 33))) {
            INFO(describe(*device));
            DeviceExperts onDevice(*device, mixture, experts, norm);
            std::vector<float> added = onDevice.run(rows);
            CHECK(added == onDevice.composed(rows));
            for (size_t i = 0; i < added.size(); ++i)
                added[i] -= rows.before[i];
            CHECK(relativeError(added, expected) < (dense ? 1e-5 : 3e-2));
        }
    }
}

TEST_CASE("expertFeedForward of a row does not depend on the rows beside it or on threads")
{
    for (const Mixture& mixture : mixtures()) {
        CAPTURE(traits(mixture.type).name);
        Random random(33);
        const Experts experts(mixture, random);
        const FileWeight norm(random.floats(size_t(mixture.hidden), 0.5f, 2));
        const Rows rows(mixture, 70, random);
        for (const std::string& path : allPaths()) {
            INFO(path);
            const auto one = createDevice(1, path), three = createDevice(3, path);
            one->reserveWorkspace(limitsFor(mixture, 70));
            three->reserveWorkspace(limitsFor(mixture, 70));
            DeviceExperts single(*one, mixture, experts, norm), several(*three, mixture, experts, norm);
            const std::vector<float> together = several.run(rows);
            CHECK(single.run(rows) == together);
            for (int64_t count : {1, 2, 11, 32})
                for (int64_t first : {0, 29, 38})
                    CHECK(several.run(Rows(rows, mixture, first, count))
                          == Rows::part(together, first, count, mixture.hidden));
        }
    }
}
