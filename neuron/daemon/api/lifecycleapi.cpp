// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/api/lifecycleapi.h"

#include "core/error.h"

#include <QJsonArray>
#include <QJsonDocument>

#include <cmath>

namespace cortex::neuron {

namespace {

using Response = std::shared_ptr<ResponseStream>;

constexpr double MaxDrainSeconds = 3600;

QJsonObject parseObject(const QByteArray& body)
{
    QJsonParseError fault;
    const QJsonDocument document = QJsonDocument::fromJson(body, &fault);
    if (fault.error != QJsonParseError::NoError)
        throw InputError(
            QStringLiteral("the body is not valid JSON: %1 at byte %2").arg(fault.errorString()).arg(fault.offset));
    if (!document.isObject())
        throw InputError(QStringLiteral("the body must be a JSON object"));
    return document.object();
}

QJsonValue field(const QJsonObject& body, QLatin1String name)
{
    return body.value(name); // absent reads as Undefined, null as Null
}

bool isGiven(const QJsonValue& value)
{
    return !value.isUndefined() && !value.isNull();
}

QString stringField(const QJsonObject& body, QLatin1String name, const QString& otherwise = {})
{
    const QJsonValue value = field(body, name);
    if (!isGiven(value))
        return otherwise;
    if (!value.isString() || value.toString().size() > 4096)
        throw InputError(QStringLiteral("%1: expected a string").arg(name));
    return value.toString();
}

int integerValue(const QJsonValue& value, QLatin1String name, int least, int most)
{
    const double number = value.toDouble(std::nan(""));
    if (!(number >= least && number <= most) || std::trunc(number) != number)
        throw InputError(QStringLiteral("%1: expected an integer from %2 to %3").arg(name).arg(least).arg(most));
    return int(number);
}

int integerField(const QJsonObject& body, QLatin1String name, int least, int most, int otherwise)
{
    const QJsonValue value = field(body, name);
    return isGiven(value) ? integerValue(value, name, least, most) : otherwise;
}

QString requireModelId(const QJsonObject& body)
{
    const QString id = stringField(body, QLatin1String("model_id"));
    if (id.isEmpty())
        throw InputError(QStringLiteral("model_id: missing"));
    return id;
}

void sendError(const Response& response, const ModelError& error)
{
    const auto orNull = [](qint64 mb) { return mb > 0 ? QJsonValue(mb) : QJsonValue(); };
    QJsonObject json{
        {QStringLiteral("kind"), error.kind},
        {QStringLiteral("message"), error.message},
        {QStringLiteral("needed_mb"), orNull(error.neededMb)},
        {QStringLiteral("free_mb"), orNull(error.freeMb)},
        {QStringLiteral("suggestion"), error.suggestion.isEmpty() ? QJsonValue() : QJsonValue(error.suggestion)}};
    HttpHeaders headers;
    if (error.status == 503)
        headers.append("Retry-After", "5");
    response->respondJson(error.status, {{QStringLiteral("error"), json}}, headers);
}

void sendBadRequest(const Response& response, const InputError& error)
{
    ModelError answer;
    answer.status = 400;
    answer.kind = QStringLiteral("bad_request");
    answer.message = error.message();
    sendError(response, answer);
}

/// A load under way answers "loading", also while it still downloads: /models tells which.
void sendLoadAnswer(const Response& response, const Answer<ModelStatus>& answer)
{
    if (answer.error)
        return sendError(response, *answer.error);
    const bool loaded = answer.value == ModelStatus::Loaded;
    response->respondJson(loaded ? 200 : 202,
                          {{QStringLiteral("status"), loaded ? QStringLiteral("loaded") : QStringLiteral("loading")}});
}

void sendPlan(const Response& response, const Answer<engine::MemoryPlan>& answer)
{
    if (answer.error)
        return sendError(response, *answer.error);
    const engine::MemoryPlan& plan = answer.value;
    response->respondJson(200,
                          {{QStringLiteral("fits"), plan.fits},
                           {QStringLiteral("weight_bytes"), qint64(plan.weightBytes)},
                           {QStringLiteral("mapped_bytes"), qint64(plan.mappedBytes)},
                           {QStringLiteral("kv_bytes_per_token"), qint64(plan.kvBytesPerToken)},
                           {QStringLiteral("state_bytes_per_sequence"), qint64(plan.stateBytesPerSequence)},
                           {QStringLiteral("workspace_bytes"), qint64(plan.workspaceBytes)},
                           {QStringLiteral("kv_bytes"), qint64(plan.kvBytes)},
                           {QStringLiteral("total_bytes"), qint64(plan.totalBytes)},
                           {QStringLiteral("free_bytes"), qint64(plan.freeBytes)},
                           {QStringLiteral("context"), plan.contextTokens},
                           {QStringLiteral("sequences"), plan.sequences},
                           {QStringLiteral("largest_context"), plan.largestContext}});
}

/// A route whose body is parsed by `parse` and served by `serve`; faults of the body are answered here.
template <class Parse, class Serve>
HttpServer::Handler handler(Parse parse, Serve serve)
{
    return [parse, serve](const HttpRequest& request, const Response& response) {
        try {
            serve(parse(request.body), response);
        } catch (const InputError& error) {
            sendBadRequest(response, error);
        }
    };
}

} // namespace

LoadRequest parseLoadRequest(const QByteArray& bytes)
{
    const QJsonObject body = parseObject(bytes);
    LoadRequest request;
    request.modelId = requireModelId(body);
    request.harness = stringField(body, QLatin1String("harness"), request.harness);
    request.quant = stringField(body, QLatin1String("quant"));
    request.tensorParallel = integerField(body, QLatin1String("tensor_parallel"), 1, 1024, 1);
    request.context = integerField(body, QLatin1String("context"), 0, 1 << 28, 0);
    const QJsonValue devices = field(body, QLatin1String("devices"));
    if (isGiven(devices) && !devices.isArray())
        throw InputError(QStringLiteral("devices: expected a list of device indices"));
    for (const QJsonValue& device : devices.toArray())
        request.devices.append(integerValue(device, QLatin1String("devices"), 0, 1023));
    return request;
}

UnloadRequest parseUnloadRequest(const QByteArray& bytes)
{
    const QJsonObject body = parseObject(bytes);
    UnloadRequest request;
    request.modelId = requireModelId(body);
    const QJsonValue drain = field(body, QLatin1String("drain_seconds"));
    if (isGiven(drain)) {
        const double seconds = drain.toDouble(std::nan(""));
        if (!(seconds >= 0 && seconds <= MaxDrainSeconds))
            throw InputError(QStringLiteral("drain_seconds: expected a number from 0 to %1").arg(MaxDrainSeconds));
        request.drain = std::chrono::milliseconds(qint64(seconds * 1000));
    }
    return request;
}

void LifecycleApi::addRoutes(HttpServer& server)
{
    server.route("POST", QStringLiteral("/models/load"),
                 handler(parseLoadRequest, [this](const LoadRequest& request, const Response& response) {
                     m_manager.load(request, [response](const auto& answer) { sendLoadAnswer(response, answer); });
                 }));
    server.route("POST", QStringLiteral("/models/plan"),
                 handler(parseLoadRequest, [this](const LoadRequest& request, const Response& response) {
                     m_manager.plan(request, [response](const auto& answer) { sendPlan(response, answer); });
                 }));
    server.route("POST", QStringLiteral("/models/unload"),
                 handler(parseUnloadRequest, [this](const UnloadRequest& request, const Response& response) {
                     m_manager.unload(request.modelId, request.drain, [response](const Answer<ModelStatus>& answer) {
                         if (answer.error)
                             return sendError(response, *answer.error);
                         response->respondJson(200, {{QStringLiteral("status"), toString(answer.value)}});
                     });
                 }));
}

} // namespace cortex::neuron
