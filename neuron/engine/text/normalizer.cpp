// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/normalizer.h"

#include "neuron/engine/text/nfc.h"
#include "neuron/engine/text/utf8.h"
#include "neuron/engine/text/whitespace.h"

namespace cortex::engine {

namespace {

/// Applies one step; what is new goes into `storage`.
class StepApplier {
public:
    StepApplier(std::string_view text, std::deque<std::string>& storage)
        : m_text(text)
        , m_storage(storage)
    {
    }

    std::string_view operator()(const NfcStep&) const
    {
        return isCertainlyNfc(m_text) ? m_text : std::string_view(m_storage.emplace_back(toNfc(m_text)));
    }

    std::string_view operator()(const PrependStep& step) const
    {
        return m_text.empty() ? m_text : std::string_view(m_storage.emplace_back(step.text).append(m_text));
    }

    std::string_view operator()(const ReplaceStep& step) const
    {
        return step.pattern.find(m_text, 0) ? std::string_view(m_storage.emplace_back(replaced(m_text, step))) : m_text;
    }

    std::string_view operator()(const StripStep& step) const
    {
        std::string_view text = m_text;
        if (step.right)
            text = text.substr(0, trailingSpace(text));
        if (step.left)
            text.remove_prefix(leadingSpace(text));
        return text;
    }

private:
    std::string_view m_text;
    std::deque<std::string>& m_storage;
};

/// By how much one step may at most shorten a text.
struct Shrinkage {
    /// Of all characters U+0390 shrinks most, from 7 bytes (U+1FBE U+0308 U+0301) to 2.
    std::optional<size_t> operator()(const NfcStep&) const { return 4; }
    std::optional<size_t> operator()(const PrependStep&) const { return 1; }
    std::optional<size_t> operator()(const StripStep&) const { return std::nullopt; }
    std::optional<size_t> operator()(const ReplaceStep& step) const
    {
        if (step.mostMatched == 0 || step.content.empty())
            return std::nullopt;
        return (step.mostMatched + step.content.size() - 1) / step.content.size();
    }
};

} // namespace

std::string replaced(std::string_view text, const ReplaceStep& step)
{
    std::string result;
    size_t done = 0;
    size_t from = 0;
    while (from <= text.size()) {
        const auto match = step.pattern.find(text, from);
        if (!match)
            break;
        result.append(text, done, match->begin - done).append(step.content);
        done = match->end;
        from = match->end;
        if (match->begin == match->end)
            from += from < text.size() ? nextUtf8(text.substr(from)).bytes : 1;
    }
    return result.append(text, done);
}

std::string_view Normalizer::apply(std::string_view text, std::deque<std::string>& storage) const
{
    for (const NormalizerStep& step : m_steps)
        text = std::visit(StepApplier(text, storage), step);
    return text;
}

std::optional<size_t> Normalizer::mostShrinkage() const
{
    size_t product = 1;
    for (const NormalizerStep& step : m_steps) {
        const auto shrinkage = std::visit(Shrinkage(), step);
        if (!shrinkage)
            return std::nullopt;
        product *= *shrinkage;
    }
    return product;
}

} // namespace cortex::engine
