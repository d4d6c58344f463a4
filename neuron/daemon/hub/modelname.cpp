// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/modelname.h"

#include <QRegularExpression>

namespace cortex::neuron {

std::optional<ModelName> parseModelName(const QString& text)
{
    static const QRegularExpression form(QStringLiteral(
        "\\A([A-Za-z0-9_-][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,95})(?::([A-Za-z0-9._-]{1,40}))?\\z"));
    const QRegularExpressionMatch match = form.match(text);
    if (!match.hasMatch())
        return std::nullopt;
    return ModelName{match.captured(1), match.captured(2)};
}

} // namespace cortex::neuron
