// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

#include <functional>
#include <optional>

namespace cortex {

/// The two orders that the router gives to nodes. An interface, so that its properties can be tested without a network.
class NodeCommands {
public:
    /// Called once, from the event loop: nothing where the node accepted the order, else why not, for people.
    using Done = std::function<void(const std::optional<QString>& error)>;

    virtual ~NodeCommands() = default;
    /// Accepted means under way or done; how it ends, the node reports by the model's status.
    virtual void load(const QString& node, const QString& nodeModelId, const QString& quant, Done done) = 0;
    virtual void unload(const QString& node, const QString& nodeModelId, Done done) = 0;
};

} // namespace cortex
