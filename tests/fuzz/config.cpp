// SPDX-License-Identifier: GPL-3.0-only
// The three config files: any bytes are either a config or an InputError of one line.
#include "core/config/gatewayconfig.h"
#include "core/config/neuronconfig.h"
#include "core/error.h"

#include <cstdint>
#include <cstdlib>

namespace {

template <typename Parse>
void attempt(Parse parse)
{
    try {
        parse();
    } catch (const cortex::InputError& error) {
        if (error.message().isEmpty())
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    const QByteArray text(reinterpret_cast<const char*>(data), static_cast<qsizetype>(size));
    const QString path = QStringLiteral("fuzz.toml");
    // The same text as the environment's value, which is parsed as TOML for every type but strings.
    QProcessEnvironment environment;
    if (!text.contains('\0'))
        environment.insert(QStringLiteral("NEURON_MODELS__DIRS"), QString::fromUtf8(text));
    attempt([&] { cortex::parseGatewayConfig(text, path, {}); });
    attempt([&] { cortex::parseCatalogue(text, path); });
    attempt([&] { cortex::parseNeuronConfig(text, path, {}); });
    attempt([&] { cortex::parseNeuronConfig({}, path, environment); });
    return 0;
}
