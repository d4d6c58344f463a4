// SPDX-License-Identifier: GPL-3.0-only
#include "fixtures.h"
#include "kernels/cpu/pathtable.h"
#include "kernels/cpu/vectorportable.h"

namespace cortex::kernels::test {

namespace {

/// VectorPortable with what VectorAvx512Vnni has besides, in plain code.
struct VectorDots : VectorPortable {
    static constexpr bool unsignedDot = true;

    static F fromUnsigned8(const uint8_t* p) { return F{float(p[0]), float(p[1]), float(p[2]), float(p[3])}; }
    static F fromLowNibble8(const uint8_t* p)
    {
        return F{float(p[0] & 15), float(p[1] & 15), float(p[2] & 15), float(p[3] & 15)};
    }
    static F fromHighNibble8(const uint8_t* p)
    {
        return F{float(p[0] >> 4), float(p[1] >> 4), float(p[2] >> 4), float(p[3] >> 4)};
    }
    template <int n>
    static I shiftLeftInt(I v)
    {
        return v << n;
    }
    static I dotUnsigned(I sum, B w, const int8_t* a) { return dot<uint8_t>(sum, w, a); }
    static I dotSigned(I sum, B w, const uint8_t* a) { return dot<int8_t>(sum, w, a); }

private:
    template <class Byte, class Other>
    static I dot(I sum, B w, const Other* a)
    {
        Byte bytes[4 * lanes];
        std::memcpy(bytes, &w, sizeof bytes);
        for (int i = 0; i < 4 * lanes; ++i)
            sum[i / 4] += bytes[i] * a[i % 4];
        return sum;
    }
};

} // namespace

const CpuPath& dotsPath()
{
    static constexpr CpuPath path = pathOf<VectorDots>("dots");
    return path;
}

} // namespace cortex::kernels::test
