// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

#include <optional>

namespace cortex::neuron {

/// A model of a hub as users write it: "ORG/NAME" or "ORG/NAME:QUANT".
struct ModelName {
    QString repository; ///< "ORG/NAME"
    QString quant; ///< as written; empty: the fetcher's choice
};

/// Nothing for text that is no such name (other characters than letters, digits, '.', '_', '-', or a part that begins
/// with a dot), so that a name can become part of a path.
std::optional<ModelName> parseModelName(const QString& text);

} // namespace cortex::neuron
