// SPDX-License-Identifier: GPL-3.0-only
#include "fakeengine.h"

#include <algorithm>
#include <set>

namespace cortex::neuron::test {

namespace {

constexpr int ContextTokens = 1000;
constexpr int ContextLimit = 4096;

const char* const Template =
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}"
    "{% if tools %}[{{ tools|length }} tools]{% endif %}{% if mood is defined %}({{ mood }}){% endif %}"
    "{% if messages[0].content == 'raise' %}{{ raise_exception('no such thing') }}{% endif %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}{% if thinking is defined %}<think>\n{% endif %}";

bool named(const std::filesystem::path& path, const char* word)
{
    return path.filename().string().find(word) != std::string::npos;
}

void checkReadable(const std::filesystem::path& path)
{
    if (named(path, "broken"))
        throw engine::Error(engine::ErrorKind::BadFile, path.string() + ": not a GGUF file");
}

} // namespace

std::vector<int32_t> FakeTokenizer::encode(std::string_view text, const EncodeOptions& options) const
{
    std::vector<int32_t> tokens;
    if (options.addBos)
        tokens.push_back(256);
    for (size_t i = 0; i < text.size();) {
        if (options.parseSpecial && text.substr(i, 3) == "<s>") {
            tokens.push_back(256);
            i += 3;
        } else {
            tokens.push_back(static_cast<unsigned char>(text[i++]));
        }
    }
    return tokens;
}

std::string FakeTokenizer::tokenBytes(int32_t token) const
{
    if (token == 256)
        return "<s>";
    if (token == 257)
        return "</s>";
    return token >= 0 && token < 256 ? std::string(1, char(token)) : std::string();
}

std::string FakeTokenizer::decode(const std::vector<int32_t>& tokens, bool skipSpecial) const
{
    std::string text;
    for (const int32_t token : tokens) {
        if (!skipSpecial || !isSpecial(token))
            text += tokenBytes(token);
    }
    return text;
}

/// The tokenizer of an engine, which can be held up.
class FakeEngineTokenizer : public FakeTokenizer {
public:
    explicit FakeEngineTokenizer(FakeEngines& owner)
        : m_owner(owner)
    {
    }
    std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override
    {
        {
            std::unique_lock lock(m_owner.m_mutex);
            ++m_owner.m_encodings;
            m_owner.m_changed.wait(lock, [this] { return !m_owner.m_holdingEncoding; });
        }
        return FakeTokenizer::encode(text, options);
    }

private:
    FakeEngines& m_owner;
};

/// Plays the reply to every sequence, one token each in turn, on a thread of its own.
class FakeEngine : public engine::Engine {
public:
    FakeEngine(FakeEngines& owner, const std::filesystem::path& path)
        : m_owner(owner)
        , m_tokenizer(std::make_shared<FakeEngineTokenizer>(owner))
        , m_template(Template, "fake")
        , m_info(owner.inspect(path))
    {
        m_memory.totalBytes = size_t(100) << 20;
        m_memory.contextTokens = ContextTokens;
        m_memory.fits = true;
        const std::lock_guard lock(m_owner.m_mutex);
        ++m_owner.m_live;
        m_thread = std::thread([this] { run(); });
    }

    ~FakeEngine() override
    {
        {
            const std::lock_guard lock(m_owner.m_mutex);
            m_stopping = true;
        }
        m_owner.m_changed.notify_all();
        m_thread.join();
        const std::lock_guard lock(m_owner.m_mutex);
        --m_owner.m_live;
    }

    const engine::ModelInfo& info() const override { return m_info; }
    const engine::MemoryPlan& memory() const override { return m_memory; }
    const kernels::DeviceInfo& device() const override { return m_device; }
    std::shared_ptr<const engine::Tokenizer> tokenizer() const override { return m_tokenizer; }
    const engine::ChatTemplate* chatTemplate() const override { return m_info.hasChatTemplate ? &m_template : nullptr; }

    engine::SequenceId submit(engine::SequenceRequest request, std::shared_ptr<engine::SequenceSink> sink) override
    {
        if (request.prompt.size() > ContextTokens) {
            throw engine::Error(engine::ErrorKind::ContextExceeded,
                                "This model's maximum context length is 1000 tokens, and the prompt has "
                                    + std::to_string(request.prompt.size()));
        }
        const std::lock_guard lock(m_owner.m_mutex);
        if (int(m_sequences.size()) >= m_owner.m_queueLimit) {
            ++m_rejected;
            throw engine::Error(engine::ErrorKind::QueueFull, "the queue is full");
        }
        m_owner.m_requests.push_back(request);
        m_sequences[++m_lastId] = {std::move(request), std::move(sink), wordsOf(m_owner.m_reply), 0, false};
        m_owner.m_changed.notify_all();
        return m_lastId;
    }

    void cancel(engine::SequenceId id) override
    {
        const std::lock_guard lock(m_owner.m_mutex);
        if (const auto found = m_sequences.find(id); found != m_sequences.end())
            found->second.cancelled = true;
        m_owner.m_changed.notify_all();
    }

    engine::EngineStats stats() const override
    {
        const std::lock_guard lock(m_owner.m_mutex);
        engine::EngineStats stats;
        stats.inFlight = int(m_sequences.size());
        stats.maxInFlight = 16;
        stats.maxQueueDepth = m_owner.m_queueLimit;
        stats.kvBytes = size_t(10) << 20;
        stats.kvBytesFree = size_t(4) << 20;
        stats.rejectedQueueFull = m_rejected;
        return stats;
    }

    void logits(const std::vector<int32_t>&, const std::function<void(std::span<const float>, int)>&) override
    {
        throw engine::Error(engine::ErrorKind::Unsupported, "a fake has no logits");
    }

private:
    struct Sequence {
        engine::SequenceRequest request;
        std::shared_ptr<engine::SequenceSink> sink;
        std::vector<std::string> words;
        size_t next = 0;
        bool cancelled = false;
    };

    static std::vector<std::string> wordsOf(const std::string& text)
    {
        std::vector<std::string> words;
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = std::min(text.find(' ', begin + 1), text.size());
            words.push_back(text.substr(begin, end - begin));
            begin = end;
        }
        return words;
    }

    /// What the sequence comes to now, or nothing while it goes on. Called with the lock held.
    std::optional<engine::SequenceResult> ending(const Sequence& sequence)
    {
        engine::SequenceResult result;
        result.promptTokens = int(sequence.request.prompt.size());
        result.generatedTokens = int(sequence.next);
        result.timings = {0.001, 0.002, 0.004};
        const int limit = sequence.request.maxTokens;
        if (sequence.cancelled || m_stopping)
            result.reason = engine::FinishReason::Cancelled;
        else if (!m_owner.m_failure.empty() && sequence.next > 0)
            result.error = std::exchange(m_owner.m_failure, {});
        else if (limit > 0 && int(sequence.next) >= limit)
            result.reason = engine::FinishReason::Length;
        else if (sequence.next >= sequence.words.size())
            result.reason = engine::FinishReason::Stop;
        else
            return std::nullopt;
        return result;
    }

    bool canStep() const
    {
        for (const auto& [id, sequence] : m_sequences) {
            if (sequence.cancelled || !m_owner.m_holding)
                return true;
        }
        return false;
    }

    void run()
    {
        std::unique_lock lock(m_owner.m_mutex);
        for (;;) {
            m_owner.m_changed.wait(lock, [this] { return m_stopping || canStep(); });
            if (m_stopping && m_sequences.empty())
                return;
            for (auto entry = m_sequences.begin(); entry != m_sequences.end();) {
                Sequence& sequence = entry->second;
                if (m_owner.m_holding && !sequence.cancelled && !m_stopping) {
                    ++entry;
                    continue;
                }
                const auto result = ending(sequence);
                if (!result) {
                    const std::string word = sequence.words[sequence.next++];
                    sequence.sink->token(1, word); // the sink may not call back into us but for cancel, and does not
                    ++entry;
                    continue;
                }
                if (result->reason == engine::FinishReason::Cancelled)
                    ++m_owner.m_cancelled;
                sequence.sink->finished(*result, {});
                entry = m_sequences.erase(entry);
            }
        }
    }

    FakeEngines& m_owner; // its mutex guards everything below that changes
    std::shared_ptr<const engine::Tokenizer> m_tokenizer;
    engine::ChatTemplate m_template;
    engine::ModelInfo m_info;
    kernels::DeviceInfo m_device;
    engine::MemoryPlan m_memory;
    std::map<engine::SequenceId, Sequence> m_sequences;
    engine::SequenceId m_lastId = 0;
    uint64_t m_rejected = 0;
    bool m_stopping = false;
    std::thread m_thread;
};

std::unique_ptr<engine::Engine> FakeEngines::load(const engine::LoadOptions& options,
                                                  const engine::Engine::Progress& progress)
{
    checkReadable(options.model);
    const bool wanted = progress(0.5, "packing");
    if (named(options.model, "slow")) {
        std::unique_lock lock(m_mutex);
        while (!m_loadsOpen && progress(0.6, "packing"))
            m_changed.wait_for(lock, std::chrono::milliseconds(5)); // a real load polls its progress too
    }
    if (!wanted || !progress(1, "packing"))
        throw engine::Error(engine::ErrorKind::Cancelled, "cancelled");
    if (named(options.model, "flaky"))
        throw engine::Error(engine::ErrorKind::Internal, "tensor blk.0.attn_q.weight: device fault");
    return std::make_unique<FakeEngine>(*this, options.model);
}

engine::MemoryPlan FakeEngines::plan(const engine::LoadOptions& options)
{
    checkReadable(options.model);
    if (options.contextTokens > ContextLimit)
        throw engine::Error(engine::ErrorKind::BadRequest, "the model was made for 4096 tokens");
    const bool huge = named(options.model, "huge");
    engine::MemoryPlan plan;
    plan.weightBytes = size_t(huge ? 90'000 : 90) << 20;
    plan.kvBytesPerToken = 1000;
    plan.contextTokens = options.contextTokens > 0 ? options.contextTokens : ContextTokens;
    plan.sequences = 16;
    plan.totalBytes = size_t(huge ? 100'000 : 100) << 20;
    plan.freeBytes = size_t(2000) << 20;
    plan.fits = !huge;
    return plan;
}

engine::ModelInfo FakeEngines::inspect(const std::filesystem::path& model)
{
    {
        std::unique_lock lock(m_mutex);
        m_changed.wait(lock, [this] { return !m_holdingInspections; });
    }
    checkReadable(model);
    engine::ModelInfo info;
    info.architecture = "fake";
    info.contextLimit = ContextLimit;
    info.hasTokenizer = true;
    info.hasChatTemplate = !named(model, "base");
    return info;
}

void FakeEngines::openLoads()
{
    const std::lock_guard lock(m_mutex);
    m_loadsOpen = true;
    m_changed.notify_all();
}

void FakeEngines::setReply(const std::string& text)
{
    const std::lock_guard lock(m_mutex);
    m_reply = text;
}

void FakeEngines::holdTokens()
{
    const std::lock_guard lock(m_mutex);
    m_holding = true;
}

void FakeEngines::releaseTokens()
{
    const std::lock_guard lock(m_mutex);
    m_holding = false;
    m_changed.notify_all();
}

void FakeEngines::holdEncoding()
{
    const std::lock_guard lock(m_mutex);
    m_holdingEncoding = true;
}

void FakeEngines::releaseEncoding()
{
    const std::lock_guard lock(m_mutex);
    m_holdingEncoding = false;
    m_changed.notify_all();
}

void FakeEngines::holdInspections()
{
    const std::lock_guard lock(m_mutex);
    m_holdingInspections = true;
}

void FakeEngines::releaseInspections()
{
    const std::lock_guard lock(m_mutex);
    m_holdingInspections = false;
    m_changed.notify_all();
}

void FakeEngines::failNext(const std::string& error)
{
    const std::lock_guard lock(m_mutex);
    m_failure = error;
}

void FakeEngines::setQueueLimit(int limit)
{
    const std::lock_guard lock(m_mutex);
    m_queueLimit = limit;
}

std::vector<engine::SequenceRequest> FakeEngines::requests() const
{
    const std::lock_guard lock(m_mutex);
    return m_requests;
}

int FakeEngines::encodings() const
{
    const std::lock_guard lock(m_mutex);
    return m_encodings;
}

int FakeEngines::cancelled() const
{
    const std::lock_guard lock(m_mutex);
    return m_cancelled;
}

int FakeEngines::live() const
{
    const std::lock_guard lock(m_mutex);
    return m_live;
}

} // namespace cortex::neuron::test
