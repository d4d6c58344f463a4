// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/mergescores.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/utf8.h"

#include <algorithm>
#include <unordered_set>

namespace cortex::engine {

namespace {

constexpr int32_t NoRank = -1;
constexpr size_t LongestEntry = 1024; ///< bytes; every way to cut an entry is looked up

[[noreturn]] void refuse(const std::string& cause)
{
    throw Error(ErrorKind::Unsupported, "its merge rules cannot be said in scores, which GGUF has: " + cause);
}

/// By id, which of the entries that rules make comes first, second, …; NoRank where none makes it.
std::vector<int32_t> ranksOf(const BpeVocabulary& vocabulary)
{
    std::vector<int32_t> ranks(vocabulary.entries->size(), NoRank);
    int32_t next = 0;
    int32_t last = -1;
    for (const MergeRule& rule : vocabulary.merges) {
        if (rule.result == last)
            continue;
        last = rule.result;
        if (ranks[size_t(last)] != NoRank)
            refuse("those that make " + quotedName((*vocabulary.entries)[size_t(last)]) + " do not stand in a row");
        ranks[size_t(last)] = next++;
    }
    return ranks;
}

uint64_t pairOf(int32_t left, int32_t right)
{
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

/// Looks for neighbours that scores would join and no rule does.
class CutChecker {
public:
    CutChecker(const BpeVocabulary& vocabulary, const std::vector<int32_t>& ranks)
        : m_vocabulary(vocabulary)
        , m_ranks(ranks)
    {
        for (const MergeRule& rule : vocabulary.merges)
            m_rules.insert(pairOf(rule.left, rule.right));
    }

    void check(std::string_view entry) const
    {
        if (entry.size() > LongestEntry)
            refuse(quotedName(entry.substr(0, 32)) + "… is an entry of " + std::to_string(entry.size())
                   + " bytes, more than " + std::to_string(LongestEntry));
        for (size_t at = 0; at < entry.size();) {
            at += nextUtf8(entry.substr(at)).bytes;
            if (at == entry.size())
                break;
            const std::string_view left = entry.substr(0, at), right = entry.substr(at);
            if (isReached(left) && isReached(right) && !hasRule(left, right))
                refuse("no rule joins " + quotedName(left) + " and " + quotedName(right)
                       + ", though together they are an entry");
        }
    }

private:
    /// Whether merging can come to it: a character, in the vocabulary or not, or what a rule makes.
    bool isReached(std::string_view text) const
    {
        const auto id = m_vocabulary.entries->find(text);
        return nextUtf8(text).bytes == text.size() || (id && m_ranks[size_t(*id)] != NoRank);
    }

    bool hasRule(std::string_view left, std::string_view right) const
    {
        const auto leftId = m_vocabulary.entries->find(left), rightId = m_vocabulary.entries->find(right);
        return leftId && rightId && m_rules.contains(pairOf(*leftId, *rightId));
    }

    const BpeVocabulary& m_vocabulary;
    const std::vector<int32_t>& m_ranks;
    std::unordered_set<uint64_t> m_rules;
};

} // namespace

std::vector<float> mergeScores(const BpeVocabulary& vocabulary, const std::vector<bool>& isText)
{
    const std::vector<int32_t> ranks = ranksOf(vocabulary);
    const CutChecker checker(vocabulary, ranks);
    int32_t next = 0;
    for (size_t id = 0; id < ranks.size(); ++id) {
        next = std::max(next, ranks[id] + 1);
        if (isText[id] || ranks[id] != NoRank)
            checker.check((*vocabulary.entries)[id]);
    }
    std::vector<float> scores;
    for (const int32_t rank : ranks)
        scores.push_back(-float(rank == NoRank ? next++ : rank));
    return scores;
}

} // namespace cortex::engine
