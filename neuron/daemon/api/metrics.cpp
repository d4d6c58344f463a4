// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/api/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace cortex::neuron {

namespace {

using prometheus::Histogram;

const Histogram::BucketBoundaries Seconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};

prometheus::Family<prometheus::Counter>& counter(prometheus::Registry& registry, const char* name, const char* help)
{
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<Histogram>& histogram(prometheus::Registry& registry, const char* name, const char* help)
{
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

/// A gauge family that is written afresh at each scrape, so that what is gone leaves no stale figure.
void addGauges(std::vector<prometheus::MetricFamily>& families, const char* name, const char* help,
               const std::vector<std::pair<prometheus::ClientMetric::Label, double>>& values)
{
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = prometheus::MetricType::Gauge;
    for (const auto& [label, value] : values) {
        prometheus::ClientMetric metric;
        metric.label = {label};
        metric.gauge.value = value;
        family.metric.push_back(metric);
    }
    if (!family.metric.empty())
        families.push_back(std::move(family));
}

const char* reasonLabel(engine::FinishReason reason)
{
    switch (reason) {
    case engine::FinishReason::Stop:
    case engine::FinishReason::StopString:
        return "stop";
    case engine::FinishReason::Length:
        return "length";
    case engine::FinishReason::Cancelled:
        return "cancelled";
    case engine::FinishReason::Failed:
        break;
    }
    return "failed";
}

} // namespace

class Metrics::Private {
public:
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests =
        counter(registry, "neuron_requests_total", "Generating requests that ended, by how");
    prometheus::Family<prometheus::Counter>& errors =
        counter(registry, "neuron_request_errors_total", "Inference requests answered with an error");
    prometheus::Family<prometheus::Counter>& promptTokens =
        counter(registry, "neuron_prompt_tokens_total", "Prompt tokens of requests that ended");
    prometheus::Family<prometheus::Counter>& cachedTokens = counter(
        registry, "neuron_cached_prompt_tokens_total", "Prompt tokens not computed because their prefix was cached");
    prometheus::Family<prometheus::Counter>& completionTokens =
        counter(registry, "neuron_completion_tokens_total", "Tokens generated");
    prometheus::Family<Histogram>& firstText =
        histogram(registry, "neuron_time_to_first_token_seconds", "From submission to the first text");
    prometheus::Family<Histogram>& queue =
        histogram(registry, "neuron_queue_seconds", "Time waited for a place in the batch");
    prometheus::Family<Histogram>& prefill =
        histogram(registry, "neuron_prefill_seconds", "Time to compute the prompt");
    prometheus::Family<Histogram>& decode =
        histogram(registry, "neuron_decode_seconds", "From the first token to the last");
};

Metrics::Metrics()
    : d(std::make_unique<Private>())
{
}
Metrics::~Metrics() = default;

void Metrics::generated(const QString& model, const engine::SequenceResult& result,
                        std::optional<double> timeToFirstText)
{
    const prometheus::Labels labels{{"model", model.toStdString()}};
    d->requests.Add({{"model", model.toStdString()}, {"finish", reasonLabel(result.reason)}}).Increment();
    d->promptTokens.Add(labels).Increment(result.promptTokens);
    d->cachedTokens.Add(labels).Increment(result.cachedTokens);
    d->completionTokens.Add(labels).Increment(result.generatedTokens);
    d->queue.Add(labels, Seconds).Observe(result.timings.queue);
    d->prefill.Add(labels, Seconds).Observe(result.timings.prefill);
    d->decode.Add(labels, Seconds).Observe(result.timings.decode);
    if (timeToFirstText)
        d->firstText.Add(labels, Seconds).Observe(*timeToFirstText);
}

void Metrics::refused(const QString& code)
{
    d->errors.Add({{"code", code.toStdString()}}).Increment();
}

QByteArray Metrics::text(const Health& health)
{
    using Values = std::vector<std::pair<prometheus::ClientMetric::Label, double>>;
    auto families = d->registry.Collect();
    const auto perModel = [&](const char* name, const char* help, auto value) {
        Values values;
        for (const ModelActivity& model : health.models)
            values.push_back({{"model", model.id.toStdString()}, value(model)});
        addGauges(families, name, help, values);
    };
    const auto perDevice = [&](const char* name, const char* help, auto value) {
        Values values;
        for (const DeviceReading& device : health.devices) {
            if (const std::optional<double> reading = value(device))
                values.push_back({{"device", std::to_string(device.index)}, *reading});
        }
        addGauges(families, name, help, values);
    };
    constexpr double BytesPerMb = 1024 * 1024;
    perModel("neuron_model_in_flight", "Sequences in the batch", [](const auto& m) { return double(m.inFlight); });
    perModel("neuron_model_queue_depth", "Sequences that wait", [](const auto& m) { return double(m.queueDepth); });
    perModel("neuron_model_kv_bytes", "Size of the key/value cache",
             [](const auto& m) { return double(m.kvBudgetMb) * BytesPerMb; });
    perModel("neuron_model_kv_free_bytes", "Free part of the key/value cache",
             [](const auto& m) { return double(m.kvAvailableMb) * BytesPerMb; });
    perModel("neuron_model_prefill_tokens_per_second", "Prompt tokens computed per second, lately",
             [](const auto& m) { return m.tokensPerSecondPrefill; });
    perModel("neuron_model_decode_tokens_per_second", "Tokens generated per second, lately",
             [](const auto& m) { return m.tokensPerSecondDecode; });
    perDevice("neuron_device_vram_used_bytes", "Memory in use (of a CPU device: the machine's)",
              [](const auto& r) { return std::optional<double>(double(r.vramUsedMb) * BytesPerMb); });
    perDevice("neuron_device_vram_free_bytes", "Memory free",
              [](const auto& r) { return std::optional<double>(double(r.vramFreeMb) * BytesPerMb); });
    perDevice("neuron_device_utilization_ratio", "0 … 1", [](const auto& r) {
        return r.utilizationPct ? std::optional<double>(*r.utilizationPct / 100) : std::nullopt;
    });
    perDevice("neuron_device_temperature_celsius", "Of the die", [](const auto& r) { return r.temperatureC; });
    perDevice("neuron_device_power_watts", "Drawn now", [](const auto& r) { return r.powerW; });
    return QByteArray::fromStdString(prometheus::TextSerializer().Serialize(families));
}

} // namespace cortex::neuron
