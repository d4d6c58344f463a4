// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/pretokenizer.h"

#include "neuron/engine/text/utf8.h"

#include <algorithm>

namespace cortex::engine {

namespace {

struct Piece {
    size_t begin;
    size_t end;
    bool isMatch;
};

/// Matches and what lies between them, in order; empty matches are cuts.
std::vector<Piece> findPieces(std::string_view text, const Regex& pattern)
{
    std::vector<Piece> pieces;
    size_t done = 0;
    size_t from = 0;
    while (from <= text.size()) {
        const auto match = pattern.find(text, from);
        if (!match)
            break;
        const bool empty = match->begin == match->end;
        const bool repeats = empty && !pieces.empty() && match->begin == done;
        if (!repeats) {
            if (done < match->begin)
                pieces.push_back({done, match->begin, false});
            pieces.push_back({match->begin, match->end, true});
            done = match->end;
        }
        from = match->end;
        if (empty)
            from += from < text.size() ? nextUtf8(text.substr(from)).bytes : 1;
    }
    if (done < text.size())
        pieces.push_back({done, text.size(), false});
    return pieces;
}

std::vector<Piece> joinContiguous(const std::vector<Piece>& pieces)
{
    std::vector<Piece> joined;
    for (const Piece& piece : pieces) {
        if (!joined.empty() && joined.back().isMatch == piece.isMatch)
            joined.back().end = piece.end;
        else
            joined.push_back(piece);
    }
    return joined;
}

/// Joins each match that follows no match to the piece before it.
std::vector<Piece> joinToPrevious(const std::vector<Piece>& pieces)
{
    std::vector<Piece> joined;
    bool afterMatch = false;
    for (const Piece& piece : pieces) {
        if (piece.isMatch && !afterMatch && !joined.empty())
            joined.back().end = piece.end;
        else
            joined.push_back(piece);
        afterMatch = piece.isMatch;
    }
    return joined;
}

/// The mirror image: each match that no match follows joins the piece after it.
std::vector<Piece> joinToNext(const std::vector<Piece>& pieces)
{
    std::vector<Piece> joined;
    bool beforeMatch = false;
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
        if (piece->isMatch && !beforeMatch && !joined.empty())
            joined.back().begin = piece->begin;
        else
            joined.push_back(*piece);
        beforeMatch = piece->isMatch;
    }
    std::ranges::reverse(joined);
    return joined;
}

void split(std::string_view text, const SplitStep& step, std::vector<std::string_view>& to)
{
    std::vector<Piece> pieces = findPieces(text, step.pattern);
    if (step.invert)
        for (Piece& piece : pieces)
            piece.isMatch = !piece.isMatch;
    switch (step.behavior) {
    case SplitBehavior::Isolated:
        break;
    case SplitBehavior::Removed:
        std::erase_if(pieces, [](const Piece& piece) { return piece.isMatch; });
        break;
    case SplitBehavior::Contiguous:
        pieces = joinContiguous(pieces);
        break;
    case SplitBehavior::MergedWithPrevious:
        pieces = joinToPrevious(pieces);
        break;
    case SplitBehavior::MergedWithNext:
        pieces = joinToNext(pieces);
        break;
    }
    for (const Piece& piece : pieces)
        if (piece.begin < piece.end)
            to.push_back(text.substr(piece.begin, piece.end - piece.begin));
}

/// Applies one step to piece after piece.
class StepApplier {
public:
    /// `start`: where the piece begins that starts the whole text; null where there is none.
    StepApplier(const char* start, std::deque<std::string>& storage)
        : m_start(start)
        , m_storage(storage)
    {
    }

    std::vector<std::string_view> pieces;

    /// Where that piece begins now.
    const char* start() const { return m_start; }

    void apply(std::string_view text, const SplitStep& step) { split(text, step, pieces); }

    void apply(std::string_view text, const PrefixSpaceStep&)
    {
        if (text.starts_with(' '))
            pieces.push_back(text);
        else
            pieces.push_back(stored(text, ' ' + std::string(text)));
    }

    void apply(std::string_view text, const MetaspaceStep& step)
    {
        std::string spelled;
        const bool prepends = step.prepend == MetaspaceStep::Prepend::Always
            || (step.prepend == MetaspaceStep::Prepend::First && text.data() == m_start);
        if (prepends && !text.starts_with(' ') && !text.starts_with(step.replacement))
            spelled = step.replacement;
        for (const char c : text)
            c == ' ' ? void(spelled += step.replacement) : spelled.push_back(c);
        const std::string_view piece = stored(text, std::move(spelled));
        if (step.split)
            splitBefore(piece, step.replacement);
        else
            pieces.push_back(piece);
    }

private:
    /// Keeps `spelled`, which takes the place of `text`.
    std::string_view stored(std::string_view text, std::string spelled)
    {
        const std::string_view piece = m_storage.emplace_back(std::move(spelled));
        if (text.data() == m_start)
            m_start = piece.data();
        return piece;
    }

    /// Each `character` begins a piece.
    void splitBefore(std::string_view text, std::string_view character)
    {
        while (!text.empty()) {
            const size_t next = std::min(text.find(character, 1), text.size());
            pieces.push_back(text.substr(0, next));
            text.remove_prefix(next);
        }
    }

    const char* m_start;
    std::deque<std::string>& m_storage;
};

} // namespace

void PreTokenizer::addByteLevelSplit()
{
    add(SplitStep{Regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)")});
}

bool PreTokenizer::dropsText() const
{
    return std::ranges::any_of(m_steps, [](const PreTokenizerStep& step) {
        const auto* split = std::get_if<SplitStep>(&step);
        return split && split->behavior == SplitBehavior::Removed;
    });
}

bool PreTokenizer::onlyCuts() const
{
    return std::ranges::all_of(m_steps, &std::holds_alternative<SplitStep, SplitStep, PrefixSpaceStep, MetaspaceStep>);
}

std::vector<std::string_view> PreTokenizer::words(std::string_view text, bool startsWhole,
                                                  std::deque<std::string>& storage) const
{
    std::vector<std::string_view> words;
    if (!text.empty())
        words.push_back(text);
    const char* start = startsWhole ? text.data() : nullptr;
    for (const PreTokenizerStep& step : m_steps) {
        StepApplier applier(start, storage);
        for (const std::string_view word : words)
            std::visit([&](const auto& kind) { applier.apply(word, kind); }, step);
        start = applier.start();
        words = std::move(applier.pieces);
    }
    return words;
}

} // namespace cortex::engine
