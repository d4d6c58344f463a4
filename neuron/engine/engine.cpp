// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/engine.h"

#include "neuron/engine/modelrunner.h"
#include "neuron/engine/quantize/quantmix.h"

#include <algorithm>
#include <future>

namespace cortex::engine {

namespace {

/// A checkpoint with its graph and account, on the way to a plan or a load.
struct Opened {
    std::shared_ptr<const Checkpoint> checkpoint;
    std::unique_ptr<ModelGraph> graph;
    WeightAccount account;
    std::optional<kernels::Type> quant;
};

/// `device` answers packed sizes; null: files only.
Opened open(const std::filesystem::path& model, const kernels::Device* device, const std::string& quant = {})
{
    Opened opened;
    opened.checkpoint = std::make_shared<const Checkpoint>(model);
    opened.graph = createModelGraph(*opened.checkpoint);
    opened.quant = quantTypeAtLoad(quant);
    WeightLoader loader(*opened.checkpoint, device, opened.quant);
    opened.graph->loadWeights(loader);
    opened.checkpoint->requireWhole();
    opened.account = loader.account();
    if (opened.quant && loader.quantizedMatrices() == 0)
        throw Error(ErrorKind::BadRequest,
                    model.string() + ": the weights are " + opened.account.mainType()
                        + " already, there is nothing to quantize; leave the quant out");
    return opened;
}

std::unique_ptr<kernels::Device> createDevice(const LoadOptions& options)
{
    try {
        return kernels::createCpuDevice(options.threads, options.instructions);
    } catch (const std::invalid_argument& error) {
        throw Error(ErrorKind::BadRequest, error.what());
    }
}

ModelInfo describe(const Opened& opened)
{
    const ModelShape& shape = opened.graph->shape();
    ModelInfo info;
    info.architecture = opened.checkpoint->architecture();
    info.name = opened.checkpoint->name();
    info.quantization = opened.account.mainType();
    info.parameters = opened.account.parameters;
    info.layers = shape.layers;
    info.hiddenSize = shape.hiddenSize;
    info.vocabularySize = shape.vocabularySize;
    info.contextLimit = shape.contextLimit;
    info.hasTokenizer = opened.checkpoint->hasTokenizer();
    info.hasChatTemplate = opened.checkpoint->chatTemplateSource().has_value();
    info.weightBytesPerToken = opened.account.bytesPerToken;
    return info;
}

/// What stands between text and tokens.
struct TextParts {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::optional<ChatTemplate> chatTemplate;
};

TextParts readText(const Checkpoint& checkpoint)
{
    TextParts text;
    text.tokenizer = checkpoint.tokenizer();
    if (const auto source = checkpoint.chatTemplateSource())
        text.chatTemplate.emplace(*source, checkpoint.path().string() + " (chat template)");
    return text;
}

class LoadedEngine : public Engine {
public:
    LoadedEngine(const LoadOptions& options, const Progress& progress)
        : m_worker([this, &options, &progress] { return load(options, progress); })
    {
    }

    const ModelInfo& info() const override { return m_info; }
    const MemoryPlan& memory() const override { return m_memory; }
    const kernels::DeviceInfo& device() const override { return m_device; }
    std::shared_ptr<const Tokenizer> tokenizer() const override { return m_text.tokenizer; }
    const ChatTemplate* chatTemplate() const override { return m_text.chatTemplate ? &*m_text.chatTemplate : nullptr; }

    SequenceId submit(SequenceRequest request, std::shared_ptr<SequenceSink> sink) override
    {
        return m_worker.submit(std::move(request), std::move(sink));
    }
    void cancel(SequenceId id) override { m_worker.cancel(id); }
    EngineStats stats() const override { return m_worker.stats(); }
    void logits(const std::vector<int32_t>& tokens,
                const std::function<void(std::span<const float>, int)>& receive) override
    {
        m_worker.call([&] { m_runner->logits(tokens, receive); });
    }

private:
    WorkerSetup load(const LoadOptions& options, const Progress& progress);
    void takeText(std::future<TextParts>& text);

    ModelInfo m_info;
    MemoryPlan m_memory;
    kernels::DeviceInfo m_device;
    TextParts m_text;
    ModelRunner* m_runner = nullptr; ///< owned by the worker, on whose thread alone it is used
    Worker m_worker; ///< last: its thread fills in what stands above
};

/// On the worker's thread.
WorkerSetup LoadedEngine::load(const LoadOptions& options, const Progress& progress)
{
    const auto report = [&progress](double fraction, const std::string& what) {
        if (progress && !progress(fraction, what))
            throw Error(ErrorKind::Cancelled, "loading was cancelled");
    };
    report(0, "reading the header");
    auto device = createDevice(options);
    Opened opened = open(options.model, device.get(), options.quant);
    const MemoryLayout layout = planMemory(*device, *opened.graph, opened.account, options);
    requireFit(layout.account, options.model.string());
    m_info = describe(opened);
    m_memory = layout.account;
    m_device = device->info();

    // The tokenizer is made beside the packing of the weights. What it throws comes before what they throw, as if it
    // had been first, but for a cancellation; its future waits for it on every way out.
    std::future<TextParts> text;
    if (options.text)
        text = std::async(std::launch::async, [checkpoint = opened.checkpoint] { return readText(*checkpoint); });

    const double total = double(std::max<size_t>(opened.account.fileBytes, 1));
    const auto loaded = [&](size_t bytes) {
        if (text.valid() && text.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
            takeText(text);
        report(double(bytes) / total, "loading weights");
    };
    std::unique_ptr<ModelRunner> runner;
    try {
        runner = std::make_unique<ModelRunner>(opened.checkpoint, std::move(device), std::move(opened.graph), layout,
                                               loaded, opened.quant);
    } catch (const kernels::OutOfMemory& failure) {
        takeText(text);
        throw Error(ErrorKind::OutOfMemory,
                    options.model.string() + " does not fit the device: " + std::to_string(failure.neededBytes >> 20)
                        + " MiB more needed, " + std::to_string(failure.freeBytes >> 20) + " MiB free");
    } catch (const Error& failure) {
        if (failure.kind() != ErrorKind::Cancelled)
            takeText(text);
        throw;
    }
    takeText(text);
    opened.checkpoint->requireWhole();
    m_runner = runner.get();
    report(1, "ready");
    return {std::move(runner), layout.scheduler, std::max(0, options.maxQueued),
            layout.account.kvBytes / size_t(layout.cache.blocks), m_text.tokenizer};
}

/// Waits for the text's parts, or throws what their making threw. Nothing to do where none are made, or have been
/// taken.
void LoadedEngine::takeText(std::future<TextParts>& text)
{
    if (!text.valid())
        return;
    m_text = text.get();
    if (m_text.tokenizer) {
        m_info.bosToken = m_text.tokenizer->bos().value_or(-1);
        m_info.eosToken = m_text.tokenizer->eos().value_or(-1);
    }
}

} // namespace

std::unique_ptr<Engine> Engine::load(const LoadOptions& options, const Progress& progress)
{
    return std::make_unique<LoadedEngine>(options, progress);
}

MemoryPlan Engine::plan(const LoadOptions& options)
{
    const auto device = createDevice(options);
    const Opened opened = open(options.model, device.get(), options.quant);
    return planMemory(*device, *opened.graph, opened.account, options).account;
}

ModelInfo Engine::inspect(const std::filesystem::path& model, const std::string& quant)
{
    return describe(open(model, nullptr, quant));
}

} // namespace cortex::engine
