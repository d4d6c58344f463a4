// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "kernels/cpu/path.h"
#include "kernels/device.h"

#include <random>
#include <string>
#include <vector>

namespace cortex::kernels::test {

inline constexpr Type quantizedTypes[] = {Type::Q4_0,   Type::Q4_1,   Type::Q5_0, Type::Q5_1, Type::Q8_0,
                                          Type::Q4_K,   Type::Q5_K,   Type::Q6_K, Type::Q2_K, Type::Q3_K,
                                          Type::IQ4_NL, Type::IQ4_XS, Type::MXFP4};
inline constexpr Type productTypes[] = {Type::F32,  Type::F16,    Type::BF16,   Type::Q4_0, Type::Q4_1, Type::Q5_0,
                                        Type::Q5_1, Type::Q8_0,   Type::Q4_K,   Type::Q5_K, Type::Q6_K, Type::Q2_K,
                                        Type::Q3_K, Type::IQ4_NL, Type::IQ4_XS, Type::MXFP4};

/// Random numbers, the same in every run.
class Random {
public:
    explicit Random(uint32_t seed)
        : m_engine(seed)
    {
    }
    float uniform(float low, float high) { return low + (high - low) * float(m_engine() >> 8) * 0x1p-24f; }
    int integer(int low, int high) { return low + int(m_engine() % uint32_t(high - low + 1)); }
    std::vector<float> floats(size_t count, float low = -1, float high = 1);

private:
    std::mt19937 m_engine;
};

/// A weight in file format with sane scales, and its values.
struct FileWeight {
    Type type;
    int64_t rows;
    int64_t columns;
    std::vector<uint8_t> bytes;
    std::vector<float> values;

    /// Of random bytes, or of one (0 … 255) over and over.
    FileWeight(Type weightType, int64_t rowCount, int64_t columnCount, Random& random, int byte = -1);
    /// A dense float32 weight, [1, values] for vectors.
    explicit FileWeight(const std::vector<float>& vector);
    WeightSource source() const { return {type, rows, columns, bytes.data(), nullptr}; }
};

/// Float32 tensors of a device that own their memory.
class DeviceTensor {
public:
    DeviceTensor(Device& device, std::initializer_list<int64_t> shape);
    DeviceTensor(Device& device, std::initializer_list<int64_t> shape, const std::vector<float>& values);

    const Tensor& tensor() const { return m_tensor; }
    std::vector<float> values() const;

private:
    Device& m_device;
    std::unique_ptr<Buffer> m_buffer;
    Tensor m_tensor;
};

/// ‖actual − expected‖ / ‖expected‖.
double relativeError(const std::vector<float>& actual, const std::vector<double>& expected);

/// The paths that this machine runs, and "dots": what products by dots (VNNI) do, in plain code, for machines without.
std::vector<std::string> allPaths();
std::unique_ptr<Device> createDevice(int threads, const std::string& path);

/// Devices of every path, with one and with three threads.
std::vector<std::unique_ptr<Device>> allDevices(const WorkspaceLimits& limits);

/// See allPaths.
const CpuPath& dotsPath();

/// "avx2, 3 threads", for INFO.
std::string describe(const Device& device);

} // namespace cortex::kernels::test
