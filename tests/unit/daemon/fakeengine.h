// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/models/enginefactory.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

/// An engine without a model: a thread that plays a script for every sequence. Behaviour is chosen by the model's file
/// name and by FakeEngines' switches, so that tests need no real weights.
namespace cortex::neuron::test {

/// One token per byte; 256 is bos "<s>", 257 eos "</s>".
class FakeTokenizer : public engine::Tokenizer {
public:
    std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
    std::string tokenBytes(int32_t token) const override;
    std::string decode(const std::vector<int32_t>& tokens, bool skipSpecial) const override;
    size_t leastTokens(std::string_view text) const override { return (text.size() + 2) / 3; } // "<s>" is one
    int32_t vocabularySize() const override { return 258; }
    bool isSpecial(int32_t token) const override { return token >= 256; }
    std::optional<int32_t> find(std::string_view) const override { return std::nullopt; }
    std::optional<int32_t> bos() const override { return 256; }
    std::optional<int32_t> eos() const override { return 257; }
    const std::vector<int32_t>& stopTokens() const override { return m_stops; }
    bool wantsBos() const override { return true; }

private:
    std::vector<int32_t> m_stops = {257};
};

/// What tests and engines share. Thread-safe.
class FakeEngines : public EngineFactory {
public:
    /// File names tell the behaviour: "broken" cannot be read, "huge" does not fit, "flaky" fails while loading, "base"
    /// has no template, "slow" loads until openLoads().
    std::unique_ptr<engine::Engine> load(const engine::LoadOptions& options,
                                         const engine::Engine::Progress& progress) override;
    engine::MemoryPlan plan(const engine::LoadOptions& options) override;
    engine::ModelInfo inspect(const std::filesystem::path& model) override;

    void openLoads(); ///< lets "slow" models finish loading
    void setReply(const std::string& text); ///< what every sequence says, a token a word
    void holdTokens(); ///< sequences wait before their next token …
    void releaseTokens(); ///< … until here
    void holdEncoding(); ///< tokenizers wait before their next text …
    void releaseEncoding(); ///< … until here
    void holdInspections(); ///< inspect() waits …
    void releaseInspections(); ///< … until here
    void failNext(const std::string& error);
    void setQueueLimit(int limit); ///< live sequences above which submit throws QueueFull

    std::vector<engine::SequenceRequest> requests() const; ///< every one submitted
    int encodings() const; ///< texts that tokenizers were given
    int cancelled() const; ///< sequences that ended as cancelled
    int live() const; ///< engines in existence

private:
    friend class FakeEngine;
    friend class FakeEngineTokenizer;
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_loadsOpen = false;
    bool m_holding = false;
    bool m_holdingEncoding = false;
    bool m_holdingInspections = false;
    int m_encodings = 0;
    std::string m_reply = "Hello there friend";
    std::string m_failure;
    int m_queueLimit = 1000;
    int m_cancelled = 0;
    int m_live = 0;
    std::vector<engine::SequenceRequest> m_requests;
};

} // namespace cortex::neuron::test
