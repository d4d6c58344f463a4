// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"

#include <QObject>

namespace cortex::neuron {

/// One fetch under way. Lives on the main thread and belongs to whoever asked for it. Ends with exactly one of
/// `finished` and `failed`, never from within ModelFetcher::fetch itself. Deleting it cancels it.
class ModelFetch : public QObject {
    Q_OBJECT
public:
    /// Stops; what has arrived is kept for resuming. Ends with `failed` of kind "cancelled".
    virtual void cancel() = 0;

Q_SIGNALS:
    /// `phase` is "downloading"; at most ten a second.
    void progress(const cortex::ModelProgress& progress);
    /// Everything is there and checked: a GGUF file (the first of a split one), or a safetensors directory.
    void finished(const QString& localPath);
    /// `kind` is a stable word: "not_found", "gated", "unauthorized", "offline", "no_space", "network", "corrupt",
    /// "cancelled"; `message` is for people and says what to do.
    void failed(const QString& kind, const QString& message);
};

/// Fetches models that are not on this machine.
class ModelFetcher {
public:
    virtual ~ModelFetcher() = default;
    /// Starts fetching "ORG/NAME"; `quant` is empty for the fetcher's choice. The caller owns the result.
    virtual ModelFetch* fetch(const QString& modelId, const QString& quant) = 0;
};

} // namespace cortex::neuron
