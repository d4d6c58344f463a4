// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArray>
#include <QString>

namespace cortex {

/// What the gateway reads of a completion request; all else is the node's business and passes through.
struct CompletionRequest {
    QString model; ///< as the client wrote it: an id or an alias
    bool stream = false;
    qsizetype modelBegin = 0; ///< where the value of "model" stands in the body, quotes included
    qsizetype modelEnd = 0;
};

/// Reads the border fields of a JSON body in one pass and without building its values, so that the largest body costs
/// no more than its bytes. Structure and strings are checked; the exact form of numbers and escapes is left to the
/// node. Throws InputError saying what is wrong with the body.
CompletionRequest parseCompletionRequest(const QByteArray& body);

/// `body` with the value of its top-level "model" replaced, every other byte as the client sent it. `request` is what
/// parseCompletionRequest has read of it.
QByteArray withModel(const QByteArray& body, const CompletionRequest& request, const QString& model);

} // namespace cortex
