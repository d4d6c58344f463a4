// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArray>
#include <QJsonObject>
#include <QString>

namespace cortex {

/// What the gateway reads of a completion request; all else is the node's business and passes through.
struct CompletionRequest {
    QString model; ///< as the client wrote it: an id or an alias
    bool stream = false;
};

/// Reads the border fields of a JSON body. Throws InputError saying what is wrong with it.
CompletionRequest parseCompletionRequest(const QByteArray& body);

/// The body with the value of its top-level "model" replaced, every other byte as the client sent it. `body` has passed
/// parseCompletionRequest. (A body that names the field twice, or by an escape, is written anew instead.)
QByteArray withModel(const QByteArray& body, const QString& model);

} // namespace cortex
