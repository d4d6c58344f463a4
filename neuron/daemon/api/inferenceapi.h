// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpserver.h"
#include "neuron/daemon/api/metrics.h"
#include "neuron/daemon/models/modelmanager.h"
#include "neuron/daemon/openai/generation.h"
#include "neuron/daemon/openai/prompt.h"

namespace cortex::neuron {

/// /v1/* and /tokenize, /detokenize. Bodies are parsed, templates rendered and text tokenized on workers; a request is
/// then one Generation. Main thread.
class InferenceApi : public QObject {
    Q_OBJECT
public:
    /// The queue must not run any more tasks once this is gone.
    InferenceApi(ModelManager& manager, ModelRegistry& registry, Metrics& metrics, TaskQueue& queue);
    ~InferenceApi() override;
    void addRoutes(HttpServer& server);
    /// Bodies that no worker has begun with are refused. For the end, when no model takes a request any more.
    void stop();

Q_SIGNALS:
    void stopping(); ///< stop() was called

private:
    using Response = std::shared_ptr<ResponseStream>;
    using Abandonment = std::shared_ptr<Abandoned>;
    template <class Request>
    HttpServer::Handler parsed(Request (*parse)(QByteArrayView), void (InferenceApi::*serve)(Request, const Response&));
    static Abandonment abandonedWith(const Response& response);
    static Abandonment abandonedWith(const Response& response, const ModelLease& lease);
    template <class Work, class Then>
    void onWorker(const Response& response, const Abandonment& abandoned, Work work, Then then);
    void refuse(const Response& response, const std::exception_ptr& error);

    void chat(ChatRequest request, const Response& response);
    void complete(CompletionRequest request, const Response& response);
    void tokenize(TokenizeRequest request, const Response& response);
    void detokenize(DetokenizeRequest request, const Response& response);
    void embeddings(QString model, const Response& response);
    void listModels(ResponseStream& response) const;

    /// What a worker makes of a request.
    struct PreparedPrompt {
        std::vector<int32_t> tokens;
        std::optional<OutputParser> parser; ///< of a chat
    };
    using PreparePrompt = std::function<PreparedPrompt(const engine::Engine&, const Abandoned&)>;
    void generate(CompletionFormat::Kind kind, const QString& model, const GenerationOptions& options,
                  PreparePrompt prepare, const Response& response);
    QString modelOrOnly(const QString& model) const;

    ModelManager& m_manager;
    ModelRegistry& m_registry;
    Metrics& m_metrics;
    TaskQueue& m_queue;
    Workers m_workers;
};

} // namespace cortex::neuron
