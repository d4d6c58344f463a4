// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"

#include "kernels/cpu/cpudevice.h"

#include <cmath>
#include <cstring>

namespace cortex::kernels::test {

namespace {

void putHalf(uint8_t* destination, float value)
{
    const uint16_t bits = floatToHalf(value);
    std::memcpy(destination, &bits, 2);
}

/// Gives one block of random bytes scales that real files might have.
void putScales(Type type, uint8_t* block, Random& random)
{
    switch (type) {
    case Type::Q4_1:
    case Type::Q5_1:
        putHalf(block, random.uniform(0.001f, 0.02f));
        putHalf(block + 2, random.uniform(-0.2f, 0.05f));
        break;
    case Type::Q4_K:
    case Type::Q5_K:
        putHalf(block, random.uniform(0.0001f, 0.001f));
        putHalf(block + 2, random.uniform(0.0001f, 0.005f));
        break;
    case Type::Q6_K:
        putHalf(block + 208, random.uniform(0.00001f, 0.0001f));
        break;
    case Type::Q2_K:
        putHalf(block + 80, random.uniform(0.001f, 0.01f));
        putHalf(block + 82, random.uniform(0.001f, 0.01f));
        break;
    case Type::Q3_K:
        putHalf(block + 108, random.uniform(0.0001f, 0.001f));
        break;
    case Type::IQ4_XS:
        putHalf(block, random.uniform(0.00001f, 0.0001f));
        break;
    case Type::MXFP4:
        block[0] = uint8_t(random.integer(115, 122));
        break;
    default:
        putHalf(block, random.uniform(-0.02f, 0.02f));
        break;
    }
}

} // namespace

std::vector<float> Random::floats(size_t count, float low, float high)
{
    std::vector<float> values(count);
    for (float& value : values)
        value = uniform(low, high);
    return values;
}

FileWeight::FileWeight(Type weightType, int64_t rowCount, int64_t columnCount, Random& random, int byte)
    : type(weightType)
    , rows(rowCount)
    , columns(columnCount)
    , bytes(size_t(rowCount) * rowBytes(weightType, columnCount))
    , values(size_t(rowCount * columnCount))
{
    const TypeTraits& t = traits(type);
    for (size_t at = 0; at < bytes.size(); at += size_t(t.blockBytes)) {
        uint8_t* block = bytes.data() + at;
        if (t.isQuantized()) {
            for (int i = 0; i < t.blockBytes; ++i)
                block[i] = uint8_t(byte < 0 ? random.integer(0, 255) : byte);
            putScales(type, block, random);
            continue;
        }
        const float value = random.uniform(-0.1f, 0.1f);
        const uint16_t bits = type == Type::F16 ? floatToHalf(value) : floatToBfloat(value);
        if (type == Type::F32)
            std::memcpy(block, &value, 4);
        else
            std::memcpy(block, &bits, 2);
    }
    dequantize(type, bytes.data(), values.data(), rows * columns);
}

FileWeight::FileWeight(const std::vector<float>& vector)
    : type(Type::F32)
    , rows(1)
    , columns(int64_t(vector.size()))
    , bytes(vector.size() * 4)
    , values(vector)
{
    std::memcpy(bytes.data(), vector.data(), bytes.size());
}

DeviceTensor::DeviceTensor(Device& device, std::initializer_list<int64_t> shape)
    : m_device(device)
{
    size_t elements = 1;
    for (int64_t extent : shape)
        elements *= size_t(extent);
    m_buffer = device.allocate(elements * 4);
    m_tensor = Tensor::view(*m_buffer, Type::F32, shape);
}

DeviceTensor::DeviceTensor(Device& device, std::initializer_list<int64_t> shape, const std::vector<float>& values)
    : DeviceTensor(device, shape)
{
    device.upload(m_tensor, values.data());
}

std::vector<float> DeviceTensor::values() const
{
    std::vector<float> result(size_t(m_tensor.elements()));
    m_device.download(result.data(), m_tensor);
    return result;
}

double relativeError(const std::vector<float>& actual, const std::vector<double>& expected)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        error += (double(actual[i]) - expected[i]) * (double(actual[i]) - expected[i]);
        size += expected[i] * expected[i];
    }
    return std::sqrt(error / size);
}

std::vector<std::string> allPaths()
{
    const auto own = cpuInstructionPaths();
    std::vector<std::string> paths(own.begin(), own.end());
    paths.emplace_back(dotsPath().name);
    return paths;
}

std::unique_ptr<Device> createDevice(int threads, const std::string& path)
{
    if (path == dotsPath().name)
        return std::make_unique<CpuDevice>(threads, dotsPath());
    return createCpuDevice(threads, path);
}

std::vector<std::unique_ptr<Device>> allDevices(const WorkspaceLimits& limits)
{
    std::vector<std::unique_ptr<Device>> devices;
    for (const std::string& path : allPaths()) {
        for (int threads : {1, 3}) {
            devices.push_back(createDevice(threads, path));
            devices.back()->reserveWorkspace(limits);
        }
    }
    return devices;
}

std::string describe(const Device& device)
{
    return device.info().instructions + ", " + std::to_string(device.info().threads) + " threads";
}

} // namespace cortex::kernels::test
