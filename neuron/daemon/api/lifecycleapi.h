// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"
#include "neuron/daemon/models/modelmanager.h"

namespace cortex::neuron {

/// POST /models/load, /models/unload, /models/plan. Main thread.
class LifecycleApi {
public:
    explicit LifecycleApi(ModelManager& manager)
        : m_manager(manager)
    {
    }
    void addRoutes(HttpServer& server);

private:
    ModelManager& m_manager;
};

/// Bodies as structs. Throw InputError naming the field.
LoadRequest parseLoadRequest(const QByteArray& body);
struct UnloadRequest {
    QString modelId;
    std::chrono::milliseconds drain{30'000};
};
UnloadRequest parseUnloadRequest(const QByteArray& body);

} // namespace cortex::neuron
