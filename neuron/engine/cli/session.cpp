// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/cli/session.h"

#include "neuron/engine/cli/interrupt.h"

#include <cerrno>
#include <cmath>
#include <ctime>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace cortex::engine::cli {

namespace {

/// Passes what a sequence produces from the engine's thread to the command's: a queue with a descriptor to poll.
/// Without `streaming` it wakes the command at the end only: every core is busy computing until then.
class QueueSink : public SequenceSink {
public:
    explicit QueueSink(bool streaming)
        : m_streaming(streaming)
        , m_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    {
        if (m_descriptor < 0)
            throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~QueueSink() override { ::close(m_descriptor); }

    void token(int32_t id, const std::string& text) override
    {
        const std::lock_guard lock(m_mutex);
        m_tokens.push_back(id);
        m_text += text;
        if (m_streaming && !text.empty())
            signal();
    }
    void finished(const SequenceResult& result, const std::string& text) override
    {
        const std::lock_guard lock(m_mutex);
        m_text += text;
        m_result = result;
        signal();
    }

    int descriptor() const { return m_descriptor; }

    /// Moves what came into `generation`; returns the new text. `ended`: nothing comes any more.
    std::string take(Generation& generation, bool& ended)
    {
        const std::lock_guard lock(m_mutex);
        uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(m_descriptor, &count, sizeof count);
        generation.tokens.insert(generation.tokens.end(), m_tokens.begin(), m_tokens.end());
        m_tokens.clear();
        ended = m_result.has_value();
        if (ended)
            generation.result = *m_result;
        return std::exchange(m_text, {});
    }

private:
    void signal()
    {
        const uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(m_descriptor, &one, sizeof one);
    }

    bool m_streaming;
    int m_descriptor;
    std::mutex m_mutex;
    std::vector<int32_t> m_tokens;
    std::string m_text;
    std::optional<SequenceResult> m_result;
};

} // namespace

std::unique_ptr<Engine> loadEngine(LoadOptions options, const std::string& model)
{
    options.model = findModel(model);
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const auto progress = [terminal](double fraction, const std::string& what) {
        if (terminal)
            std::cerr << "\r\033[K" << what << " … " << int(std::lround(100 * fraction)) << " %" << std::flush;
        return !Interrupt::requested();
    };
    const auto clearLine = [terminal] {
        if (terminal)
            std::cerr << "\r\033[K" << std::flush;
    };
    try {
        auto engine = Engine::load(options, progress);
        clearLine();
        return engine;
    } catch (const Error&) {
        clearLine();
        throw;
    }
}

Generation generate(Engine& engine, SequenceRequest request, const std::function<bool(const std::string&)>& onText)
{
    const auto sink = std::make_shared<QueueSink>(bool(onText));
    const SequenceId id = engine.submit(std::move(request), sink);
    Generation generation;
    bool ended = false, stopping = false;
    const auto stop = [&] {
        if (!std::exchange(stopping, true))
            engine.cancel(id);
    };
    while (!ended) {
        pollfd waited[] = {{sink->descriptor(), POLLIN, 0}, {stopping ? -1 : Interrupt::descriptor(), POLLIN, 0}};
        if (::poll(waited, 2, -1) < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "poll");
        if (Interrupt::requested())
            stop();
        const std::string text = sink->take(generation, ended);
        generation.text += text;
        if (!text.empty() && onText && !onText(text))
            stop();
    }
    return generation;
}

std::vector<int32_t> tokensFromJson(const nlohmann::json& json, const std::string& where)
{
    if (!json.is_array())
        throw Error(ErrorKind::BadRequest, where + ": not a JSON list of token ids");
    std::vector<int32_t> tokens;
    tokens.reserve(json.size());
    for (const auto& entry : json) {
        if (!entry.is_number_integer() || entry < 0 || entry > std::numeric_limits<int32_t>::max())
            throw Error(ErrorKind::BadRequest,
                        where + ": entry " + std::to_string(tokens.size()) + " is not a token id");
        tokens.push_back(entry.get<int32_t>());
    }
    return tokens;
}

std::vector<int32_t> readTokens(const std::string& path)
{
    std::ifstream file;
    if (path != "-") {
        file.open(path, std::ios::binary);
        if (!file)
            throw Error(ErrorKind::NotFound, path + ": cannot be read");
    }
    const std::string text = readAll(path == "-" ? std::cin : file);
    try {
        return tokensFromJson(nlohmann::json::parse(text), path);
    } catch (const nlohmann::json::exception& exception) {
        throw Error(ErrorKind::BadRequest, path + ": not valid JSON: " + exception.what());
    }
}

std::vector<int32_t> encodeRendered(const Tokenizer& tokenizer, const std::string& prompt)
{
    std::vector<int32_t> tokens = tokenizer.encode(prompt, {});
    const std::optional<int32_t> bos = tokenizer.bos();
    if (tokenizer.wantsBos() && bos && (tokens.empty() || tokens.front() != *bos))
        tokens.insert(tokens.begin(), *bos);
    return tokens;
}

std::chrono::local_seconds localNow()
{
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    const std::time_t shown = ::timegm(&local); // the wall clock's figures as if they were UTC's
    return std::chrono::local_seconds(std::chrono::seconds(shown));
}

std::string readAll(std::istream& stream)
{
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

} // namespace cortex::engine::cli
