// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/jsonreader.h"

#include "neuron/daemon/apierror.h"
#include "neuron/engine/error.h"
#include "neuron/engine/template/contextreader.h"

namespace cortex::neuron {

namespace {
constexpr engine::ContextLimits BodyLimits{.depth = 128, .values = 2'000'000};
}

Json parseJson(QByteArrayView bytes)
{
    try {
        return engine::readContext({bytes.data(), size_t(bytes.size())}, "the body", BodyLimits);
    } catch (const engine::Error& error) {
        throw ApiError::badRequest(QString::fromStdString(error.what()));
    }
}

} // namespace cortex::neuron
