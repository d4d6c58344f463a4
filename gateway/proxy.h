// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "core/http/httpserver.h"
#include "gateway/fleetstore.h"
#include "gateway/metrics.h"
#include "gateway/modelrouter.h"
#include "gateway/throughputmeter.h"

#include <QObject>

#include <chrono>
#include <memory>

namespace cortex {

struct ProxyTiming {
    std::chrono::milliseconds firstKeepAlive{900}; ///< clients call a stream dead that says nothing for a second
    std::chrono::milliseconds keepAlive{5'000};
    std::chrono::milliseconds lostNode{15'000}; ///< a node so long offline, and silent, has lost its requests
    std::chrono::milliseconds flight{250}; ///< for bytes that the kernel has taken to reach the client
    std::chrono::milliseconds lastWords{5'000}; ///< for a client to take the error that ends its stream
};

/// What an exchange works with; all of it outlives the exchanges.
struct ProxyContext {
    FleetStore& store;
    ModelRouter& router;
    HttpClient& client;
    Metrics& metrics;
    ThroughputMeter& meter;
    ProxyTiming timing;
};

/// Forwards completion requests to nodes: one Exchange each. Lives on the gateway's thread.
class Proxy : public QObject {
    Q_OBJECT
public:
    explicit Proxy(const ProxyContext& context, QObject* parent = nullptr);
    ~Proxy() override; ///< drops the exchanges that are left

    /// `path` is of neuron's API: "/v1/chat/completions", …
    void forward(const HttpRequest& request, const std::shared_ptr<ResponseStream>& response, const QString& path);
    int exchangeCount() const;

private:
    ProxyContext m_context;
};

} // namespace cortex
