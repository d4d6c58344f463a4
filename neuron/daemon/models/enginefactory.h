// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"

namespace cortex::neuron {

/// How the daemon comes by engines; the seam at which the tests put a fake one. Called on worker threads, several at
/// once.
class EngineFactory {
public:
    virtual ~EngineFactory() = default;
    /// As engine::Engine::load, plan and inspect: they block, and throw engine::Error.
    virtual std::unique_ptr<engine::Engine> load(const engine::LoadOptions& options,
                                                 const engine::Engine::Progress& progress) = 0;
    virtual engine::MemoryPlan plan(const engine::LoadOptions& options) = 0;
    virtual engine::ModelInfo inspect(const std::filesystem::path& model) = 0;
};

/// Our own engine.
class NativeEngineFactory : public EngineFactory {
public:
    std::unique_ptr<engine::Engine> load(const engine::LoadOptions& options,
                                         const engine::Engine::Progress& progress) override
    {
        return engine::Engine::load(options, progress);
    }
    engine::MemoryPlan plan(const engine::LoadOptions& options) override { return engine::Engine::plan(options); }
    engine::ModelInfo inspect(const std::filesystem::path& model) override { return engine::Engine::inspect(model); }
};

} // namespace cortex::neuron
