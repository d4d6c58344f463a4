// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace cortex {

namespace {

using prometheus::Histogram;
using prometheus::Labels;

/// Seconds. A cached short answer takes milliseconds, a long generation or a cold start minutes.
const Histogram::BucketBoundaries durationBuckets{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800};
const Histogram::BucketBoundaries firstTokenBuckets{0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1,
                                                    1.5,  2.5,   5,    10,  20,  40,   60,  120,  300};
/// Tokens per second of one request.
const Histogram::BucketBoundaries speedBuckets{1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000};

Labels labelsOf(const QString& model, const QString& node)
{
    return {{"model", model.toStdString()}, {"node", node.toStdString()}};
}

prometheus::MetricFamily gaugeFamily(const char* name, const char* help)
{
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = prometheus::MetricType::Gauge;
    return family;
}

void addGauge(prometheus::MetricFamily& family, const Labels& labels, double value)
{
    prometheus::ClientMetric metric;
    for (const auto& [name, text] : labels)
        metric.label.push_back({name, text});
    metric.gauge.value = value;
    family.metric.push_back(metric);
}

std::vector<prometheus::MetricFamily> modelGauges(const FleetState& state, const QHash<QString, int>& waiting)
{
    auto inFlight = gaugeFamily("cortex_model_in_flight", "Requests that a replica is working on.");
    auto depth =
        gaugeFamily("cortex_model_queue_depth",
                    "Requests that wait: on a node in its queue, or (node=\"\") in the gateway for a replica.");
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        if (node.status != NodeStatus::Online)
            continue;
        // Several of a node's models may go by one id of ours, and a series must stand only once.
        std::map<QString, ModelActivity> byModel;
        for (const ModelActivity& activity : node.health.models) {
            ModelActivity& sum = byModel[state.modelIdOf(activity.id)];
            sum.inFlight += activity.inFlight;
            sum.queueDepth += activity.queueDepth;
        }
        for (const auto& [model, sum] : byModel) {
            addGauge(inFlight, labelsOf(model, node.name), sum.inFlight);
            addGauge(depth, labelsOf(model, node.name), sum.queueDepth);
        }
    }
    for (auto count = waiting.begin(); count != waiting.end(); ++count)
        addGauge(depth, labelsOf(count.key(), QString()), count.value());
    return {inFlight, depth};
}

std::vector<prometheus::MetricFamily> deviceGauges(const FleetState& state)
{
    auto memory = gaugeFamily("cortex_device_vram_used_bytes", "Memory in use on a device.");
    auto utilization = gaugeFamily("cortex_device_utilization_ratio", "Share of time that a device was busy, 0 to 1.");
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& node = state.node(i);
        if (node.status != NodeStatus::Online)
            continue;
        for (const DeviceReading& reading : node.health.devices) {
            const Labels labels{{"node", node.name.toStdString()}, {"device", std::to_string(reading.index)}};
            addGauge(memory, labels, double(reading.vramUsedMb) * 1024 * 1024);
            if (reading.utilizationPct)
                addGauge(utilization, labels, *reading.utilizationPct / 100);
        }
    }
    return {memory, utilization};
}

} // namespace

class Metrics::Private {
public:
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests =
        counter("cortex_requests_total", "Requests to a model, answered or not.");
    prometheus::Family<prometheus::Counter>& errors =
        counter("cortex_request_errors_total", "Requests that ended with an error; a client that left is none.");
    prometheus::Family<Histogram>& duration =
        histogram("cortex_request_duration_seconds", "From a request's arrival to the last byte of its answer.");
    prometheus::Family<Histogram>& firstToken =
        histogram("cortex_time_to_first_token_seconds", "From a streamed request's arrival to its first token.");
    prometheus::Family<Histogram>& speed =
        histogram("cortex_tokens_per_second", "Generation speed of a streamed request after its first token.");
    prometheus::Family<prometheus::Counter>& promptTokens =
        counter("cortex_prompt_tokens_total", "Prompt tokens, where the answer told its usage.");
    prometheus::Family<prometheus::Counter>& completionTokens =
        counter("cortex_completion_tokens_total",
                "Generated tokens: by the answer's usage, else by the chunks that were streamed.");
    prometheus::Family<prometheus::Counter>& cachedTokens =
        counter("cortex_cached_prompt_tokens_total", "Prompt tokens that came from a prefix cache.");
    prometheus::Family<prometheus::Counter>& coldStarts =
        counter("cortex_cold_starts_total", "Loads of a model that a waiting request made necessary.");

private:
    prometheus::Family<prometheus::Counter>& counter(const char* name, const char* help)
    {
        return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    }
    prometheus::Family<Histogram>& histogram(const char* name, const char* help)
    {
        return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    }
};

Metrics::Metrics()
    : d(std::make_unique<Private>())
{
}

Metrics::~Metrics() = default;

void Metrics::record(const RequestRecord& request)
{
    const Labels labels = labelsOf(request.model, request.node);
    d->requests.Add(labels).Increment();
    if (request.failed)
        d->errors.Add(labels).Increment();
    if (request.node.isEmpty())
        return;
    d->duration.Add(labels, durationBuckets).Observe(request.seconds);
    if (request.secondsToFirstToken)
        d->firstToken.Add(labels, firstTokenBuckets).Observe(*request.secondsToFirstToken);
    if (request.streamedTokens > 1 && request.secondsDecoding > 0)
        d->speed.Add(labels, speedBuckets).Observe(double(request.streamedTokens - 1) / request.secondsDecoding);
    const TokenUsage usage = request.usage.value_or(TokenUsage{0, request.streamedTokens, 0});
    d->promptTokens.Add(labels).Increment(double(usage.promptTokens));
    d->completionTokens.Add(labels).Increment(double(usage.completionTokens));
    d->cachedTokens.Add(labels).Increment(double(usage.cachedTokens));
}

void Metrics::countColdStart(const QString& model, const QString& node)
{
    d->coldStarts.Add(labelsOf(model, node)).Increment();
}

QByteArray Metrics::text(const FleetState& state, const QHash<QString, int>& waiting) const
{
    std::vector<prometheus::MetricFamily> families = d->registry.Collect();
    for (const auto& more : {modelGauges(state, waiting), deviceGauges(state)})
        families.insert(families.end(), more.begin(), more.end());
    return QByteArray::fromStdString(prometheus::TextSerializer().Serialize(families));
}

} // namespace cortex
