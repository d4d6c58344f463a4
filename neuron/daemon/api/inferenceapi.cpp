// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/api/inferenceapi.h"

#include "neuron/daemon/apierror.h"

#include <QJsonArray>

namespace cortex::neuron {

namespace {
constexpr int RequestWorkers = 2;
constexpr size_t MaxTokenizeBytes = 8 * 1024 * 1024; // some seconds of a worker

/// Of what /tokenize takes: the answer is for counting, so that the context is no limit, but there has to be one.
void checkTokenizable(const std::string& text, const QString& param)
{
    if (text.size() > MaxTokenizeBytes)
        throw ApiError::badRequest(
            QStringLiteral("the text has %1 bytes; /tokenize takes at most %2").arg(text.size()).arg(MaxTokenizeBytes),
            param);
}

/// By hand, since a QJsonArray takes ten times the room and much longer.
QByteArray tokensJson(const std::vector<int32_t>& tokens)
{
    QByteArray json = "{\"count\":" + QByteArray::number(qint64(tokens.size())) + ",\"tokens\":[";
    for (size_t i = 0; i < tokens.size(); ++i) {
        if (i > 0)
            json += ',';
        json += QByteArray::number(tokens[i]);
    }
    return json + "]}";
}

} // namespace

InferenceApi::InferenceApi(ModelManager& manager, ModelRegistry& registry, Metrics& metrics, TaskQueue& queue)
    : m_manager(manager)
    , m_registry(registry)
    , m_metrics(metrics)
    , m_queue(queue)
    , m_workers(queue, RequestWorkers)
{
}

InferenceApi::~InferenceApi() = default;

// From bytes to a request, and from an exception to an answer.
// ------------------------------------------------------------

void InferenceApi::refuse(const Response& response, const std::exception_ptr& error)
{
    try {
        std::rethrow_exception(error);
    } catch (const ApiError& refusal) {
        m_metrics.refused(refusal.code().isEmpty() ? QString::number(refusal.status()) : refusal.code());
        refusal.send(*response);
    } catch (const std::exception& fault) { // bad_alloc and the like: the request fails, the daemon goes on
        m_metrics.refused(QStringLiteral("internal_error"));
        ApiError::internal(QString::fromStdString(fault.what())).send(*response);
    }
}

/// True once the client has left.
InferenceApi::Abandonment InferenceApi::abandonedWith(const Response& response)
{
    auto abandoned = std::make_shared<Abandoned>(!response->isOpen());
    connect(response.get(), &ResponseStream::disconnected, response.get(), [abandoned] { *abandoned = true; });
    return abandoned;
}

/// … or the model's drain is over.
InferenceApi::Abandonment InferenceApi::abandonedWith(const Response& response, const ModelLease& lease)
{
    auto abandoned = abandonedWith(response);
    if (lease->isRevoked())
        *abandoned = true;
    connect(lease.operator->(), &LoadedModel::revoked, response.get(), [abandoned] { *abandoned = true; });
    return abandoned;
}

/// Work that is abandoned before its turn is not begun.
template <class Work, class Then>
void InferenceApi::onWorker(const Response& response, const Abandonment& abandoned, Work work, Then then)
{
    m_workers.run(
        [abandoned, work = std::move(work)]() mutable {
            throwIfAbandoned(*abandoned);
            return work();
        },
        [this, response, then = std::move(then)](auto& outcome) mutable {
            if (!response->isOpen())
                return; // the client went away meanwhile
            try {
                then(outcome.take());
            } catch (...) {
                refuse(response, std::current_exception());
            }
        });
}

template <class Request>
HttpServer::Handler InferenceApi::parsed(Request (*parse)(QByteArrayView),
                                         void (InferenceApi::*serve)(Request, const Response&))
{
    return [this, parse, serve](const HttpRequest& request, const Response& response) {
        const Abandonment abandoned = abandonedWith(response);
        connect(this, &InferenceApi::stopping, response.get(), [abandoned] { *abandoned = true; });
        onWorker(
            response, abandoned, [parse, body = request.body] { return parse(body); },
            [this, serve, response](Request value) { (this->*serve)(std::move(value), response); });
    };
}

void InferenceApi::stop()
{
    Q_EMIT stopping();
}

void InferenceApi::addRoutes(HttpServer& server)
{
    server.route("POST", QStringLiteral("/v1/chat/completions"), parsed(&parseChatRequest, &InferenceApi::chat));
    server.route("POST", QStringLiteral("/v1/completions"), parsed(&parseCompletionRequest, &InferenceApi::complete));
    server.route("POST", QStringLiteral("/v1/embeddings"), parsed(&parseEmbeddingsModel, &InferenceApi::embeddings));
    server.route("POST", QStringLiteral("/tokenize"), parsed(&parseTokenizeRequest, &InferenceApi::tokenize));
    server.route("POST", QStringLiteral("/detokenize"), parsed(&parseDetokenizeRequest, &InferenceApi::detokenize));
    server.route("GET", QStringLiteral("/v1/models"),
                 [this](const HttpRequest&, const Response& response) { listModels(*response); });
}

// The routes.
// ------------------------------------------------------------------------------------------------------------

void InferenceApi::chat(ChatRequest request, const Response& response)
{
    auto conversation = std::make_shared<const Conversation>(std::move(request.conversation));
    generate(
        CompletionFormat::Kind::Chat, request.model, request.options,
        [conversation](const engine::Engine& engine, const Abandoned& abandoned) {
            RenderedPrompt prompt = conversationPrompt(engine, *conversation, abandoned);
            return PreparedPrompt{std::move(prompt.tokens), OutputParser(prompt.opensReasoning, conversation->tools)};
        },
        response);
}

void InferenceApi::complete(CompletionRequest request, const Response& response)
{
    auto prompt = std::make_shared<const Prompt>(std::move(request.prompt));
    generate(
        CompletionFormat::Kind::Text, request.model, request.options,
        [prompt](const engine::Engine& engine, const Abandoned& abandoned) {
            return PreparedPrompt{promptTokens(engine, *prompt, abandoned), {}};
        },
        response);
}

void InferenceApi::generate(CompletionFormat::Kind kind, const QString& model, const GenerationOptions& options,
                            PreparePrompt prepare, const Response& response)
{
    auto lease = std::make_shared<ModelLease>(m_manager.lease(model));
    const engine::Engine* engine = &(*lease)->engine(); // the lease keeps it until the main thread has the tokens
    const Abandonment abandoned = abandonedWith(response, *lease);
    onWorker(
        response, abandoned, [engine, abandoned, prepare = std::move(prepare)] { return prepare(*engine, *abandoned); },
        [this, lease, kind, model, options, response](PreparedPrompt prompt) {
            if ((*lease)->isRevoked())
                throw ApiError::unavailable(QStringLiteral("model_unloading"),
                                            QStringLiteral("The model `%1` is being unloaded").arg(model), 5);
            auto generation = std::make_unique<Generation>(std::move(*lease), response, CompletionFormat(kind, model),
                                                           options, std::move(prompt.parser));
            generation->start(std::move(prompt.tokens), m_queue);
            Generation* running = generation.release();
            running->setParent(this);
            connect(running, &Generation::finished, this, [this, running](const engine::SequenceResult& result) {
                m_metrics.generated(running->modelId(), result, running->timeToFirstText());
                running->deleteLater();
            });
        });
}

void InferenceApi::tokenize(TokenizeRequest request, const Response& response)
{
    auto lease = std::make_shared<ModelLease>(m_manager.lease(modelOrOnly(request.model)));
    const engine::Engine* engine = &(*lease)->engine();
    const Abandonment abandoned = abandonedWith(response, *lease);
    onWorker(
        response, abandoned,
        [engine, abandoned, request = std::move(request)] {
            const auto* conversation = std::get_if<Conversation>(&request.input);
            const std::string text =
                conversation ? renderConversation(*engine, *conversation) : std::get<std::string>(request.input);
            checkTokenizable(text, conversation ? QStringLiteral("messages") : QStringLiteral("content"));
            throwIfAbandoned(*abandoned);
            const bool addBos = !conversation && request.addSpecial; // a template decides about it itself
            return tokensJson(requireTokenizer(*engine).encode(text, {.addBos = addBos, .parseSpecial = true}));
        },
        [lease, response](const QByteArray& json) { response->respond(200, "application/json", json); });
}

void InferenceApi::detokenize(DetokenizeRequest request, const Response& response)
{
    auto lease = std::make_shared<ModelLease>(m_manager.lease(modelOrOnly(request.model)));
    const engine::Engine* engine = &(*lease)->engine();
    onWorker(
        response, abandonedWith(response, *lease),
        [engine, tokens = std::move(request.tokens)] {
            const Json answer = {{"content", requireTokenizer(*engine).decode(tokens)}};
            return QByteArray::fromStdString(answer.dump());
        },
        [lease, response](const QByteArray& json) { response->respond(200, "application/json", json); });
}

void InferenceApi::embeddings(QString model, const Response&)
{
    const QString name = modelOrOnly(model);
    const ModelLease lease = m_manager.lease(name); // an unknown model is the more useful error
    throw ApiError(400, QStringLiteral("invalid_request_error"), QStringLiteral("embeddings_not_supported"),
                   QStringLiteral("the model `%1` does not do embeddings").arg(name), QStringLiteral("model"));
}

void InferenceApi::listModels(ResponseStream& response) const
{
    QJsonArray list;
    for (const KnownModel& known : m_registry.models()) {
        if (known.model.status != ModelStatus::Loaded)
            continue;
        list.append(QJsonObject{{QStringLiteral("id"), known.model.id},
                                {QStringLiteral("object"), QStringLiteral("model")},
                                {QStringLiteral("created"), known.loadedAt},
                                {QStringLiteral("owned_by"), QStringLiteral("neuron")},
                                {QStringLiteral("max_model_len"), known.model.limit.context}});
    }
    response.respondJson(200, {{QStringLiteral("object"), QStringLiteral("list")}, {QStringLiteral("data"), list}});
}

QString InferenceApi::modelOrOnly(const QString& model) const
{
    if (!model.isEmpty())
        return model;
    const auto only = m_manager.onlyLoaded();
    if (!only)
        throw ApiError::badRequest(QStringLiteral("you must provide a 'model': not just one is loaded"),
                                   QStringLiteral("model"));
    return *only;
}

} // namespace cortex::neuron
