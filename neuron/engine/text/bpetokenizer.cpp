// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/bpetokenizer.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/utf8.h"

#include <algorithm>
#include <unordered_map>

namespace cortex::engine {

namespace {

/// The contents as they are looked for: those matched in normalized text are normalized themselves. What normalizing
/// leaves nothing of is not looked for.
std::vector<AddedToken> patternsOf(std::vector<AddedToken> tokens, const Normalizer& normalizer)
{
    std::deque<std::string> storage;
    for (AddedToken& token : tokens)
        if (token.normalized)
            token.content = normalizer.apply(token.content, storage);
    std::erase_if(tokens, [](const AddedToken& token) { return token.content.empty(); });
    return tokens;
}

void checkAdded(const AddedToken& token)
{
    const auto refuse = [&](ErrorKind kind, const char* cause) {
        throw Error(kind,
                    "added token " + quotedName(token.content) + " (id " + std::to_string(token.id) + "): " + cause);
    };
    if (token.content.empty())
        refuse(ErrorKind::BadFile, "its content is empty");
    if (token.content.size() > AddedTokenMatcher::maxContentBytes)
        refuse(ErrorKind::Unsupported, "its content is too long");
    if (!isUtf8(token.content))
        refuse(ErrorKind::BadFile, "its content is not UTF-8");
    if (token.id < 0 || token.id > maxTokenId)
        refuse(ErrorKind::BadFile, "its id is out of range");
}

std::vector<AddedToken> checked(std::vector<AddedToken> tokens)
{
    std::ranges::for_each(tokens, checkAdded);
    return tokens;
}

} // namespace

/// One call of encode: what it has made so far, and what it remembers of words that come again.
class BpeTokenizer::Encoding {
public:
    Encoding(const BpeTokenizer& tokenizer, bool parseSpecial)
        : m_tokenizer(tokenizer)
        , m_parseSpecial(parseSpecial)
    {
    }

    std::vector<int32_t> tokens;

    void add(std::string_view text)
    {
        for (const auto& segment : m_tokenizer.m_rawTokens.split(text, m_parseSpecial)) {
            if (segment.token)
                tokens.push_back(*segment.token);
            else
                addNormalized(m_tokenizer.m_normalizer.apply(segment.text, m_storage),
                              segment.text.data() == text.data());
        }
    }

private:
    void addNormalized(std::string_view text, bool startsWhole)
    {
        for (const auto& segment : m_tokenizer.m_normalizedTokens.split(text, m_parseSpecial)) {
            if (segment.token)
                tokens.push_back(*segment.token);
            else
                addWords(segment.text, startsWhole && segment.text.data() == text.data());
        }
    }

    void addWords(std::string_view text, bool startsWhole)
    {
        for (const std::string_view word : m_tokenizer.m_preTokenizer.words(text, startsWhole, m_storage)) {
            if (!m_tokenizer.m_cutter) {
                addWord(word);
                continue;
            }
            for (const std::string_view part : m_tokenizer.m_cutter->cut(word))
                addWord(part);
        }
    }

    void addWord(std::string_view word)
    {
        const auto [seen, isNew] = m_words.try_emplace(word, Stretch{tokens.size(), 0});
        if (!isNew) {
            for (size_t i = 0; i < seen->second.count; ++i)
                tokens.push_back(tokens[seen->second.begin + i]);
            return;
        }
        m_tokenizer.m_model->append(word, tokens);
        seen->second.count = tokens.size() - seen->second.begin;
    }

    /// A part of `tokens`.
    struct Stretch {
        size_t begin;
        size_t count;
    };

    const BpeTokenizer& m_tokenizer;
    const bool m_parseSpecial;
    std::deque<std::string> m_storage; ///< normalized text, which m_words points into
    std::unordered_map<std::string_view, Stretch> m_words;
};

BpeTokenizer::BpeTokenizer(BpeVocabulary vocabulary)
    : m_entries(std::move(vocabulary.entries))
    , m_decoder(std::move(vocabulary.decoder))
    , m_rawTokens(checked(vocabulary.added), false)
    , m_normalizedTokens(checked(patternsOf(vocabulary.added, vocabulary.normalizer)), true)
    , m_normalizer(std::move(vocabulary.normalizer))
    , m_preTokenizer(std::move(vocabulary.preTokenizer))
    , m_cutter(std::move(vocabulary.cutter))
    , m_model(std::move(vocabulary.model))
    , m_roles(std::move(vocabulary.roles))
{
    for (const AddedToken& token : vocabulary.added)
        m_added.add(token.content, token.id);
    m_isAdded.resize(std::max(m_entries->size(), m_added.size()));
    m_special.resize(m_isAdded.size());
    for (const AddedToken& token : vocabulary.added) {
        m_isAdded[size_t(token.id)] = true;
        m_special[size_t(token.id)] = token.special;
    }
    measureTokens();
}

/// The most bytes of a word that an entry spells. Byte-level vocabularies write a byte as a character.
size_t BpeTokenizer::longestSpelling() const
{
    const auto begins = [this](char c) { return !m_decoder.byteLevel || (c & 0xc0) != 0x80; };
    size_t longest = 1;
    for (size_t id = 0; id < m_entries->size(); ++id)
        longest = std::max(longest, size_t(std::ranges::count_if((*m_entries)[id], begins)));
    return longest;
}

/// Finds what leastTokens() works with. Where bytes tell nothing, none are counted.
void BpeTokenizer::measureTokens()
{
    const auto raw = m_rawTokens.longest();
    const auto normalized = m_normalizedTokens.longest();
    const auto shrinkage = m_normalizer.mostShrinkage();
    if (!raw || !normalized || !shrinkage || m_preTokenizer.dropsText())
        return;
    const std::bitset<256> spelled = m_model->spelledBytes();
    // Vocabularies may lack bytes that their training did not see. What becomes of other bytes must not be those.
    if (!spelled.all() && !(m_normalizer.isEmpty() && m_preTokenizer.onlyCuts()))
        return;
    m_countedBytes = spelled;
    m_mostBytesPerToken = std::max(*raw, *shrinkage * std::max(*normalized, longestSpelling()));
}

size_t BpeTokenizer::leastTokens(std::string_view text) const
{
    const auto counted =
        size_t(std::ranges::count_if(text, [this](char c) { return m_countedBytes[static_cast<unsigned char>(c)]; }));
    return (counted + m_mostBytesPerToken - 1) / m_mostBytesPerToken;
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text, const EncodeOptions& options) const
{
    Encoding encoding(*this, options.parseSpecial);
    if (options.addBos && m_roles.bos)
        encoding.tokens.push_back(*m_roles.bos);
    if (isUtf8(text))
        encoding.add(text);
    else
        encoding.add(repairedUtf8(text));
    return std::move(encoding.tokens);
}

/// How the vocabulary spells a token that it has.
std::string_view BpeTokenizer::spelling(int32_t token) const
{
    return m_isAdded[size_t(token)] ? m_added[size_t(token)] : (*m_entries)[size_t(token)];
}

std::string BpeTokenizer::tokenBytes(int32_t token) const
{
    return hasToken(token) ? m_decoder.bytes(spelling(token)) : std::string();
}

std::string BpeTokenizer::firstTokenBytes(int32_t token) const
{
    return hasToken(token) ? m_decoder.bytesAtStart(spelling(token)) : std::string();
}

std::string BpeTokenizer::decode(const std::vector<int32_t>& tokens, bool skipSpecial) const
{
    std::string bytes;
    bool atStart = true;
    for (const int32_t token : tokens) {
        if (skipSpecial && isSpecial(token))
            continue;
        const std::string within = tokenBytes(token);
        bytes += atStart ? firstTokenBytes(token) : within;
        atStart = atStart && within.empty();
    }
    return repairedUtf8(bytes);
}

bool BpeTokenizer::isSpecial(int32_t token) const
{
    return hasToken(token) && m_special[size_t(token)];
}

std::optional<int32_t> BpeTokenizer::find(std::string_view token) const
{
    const auto added = m_added.find(token);
    return added ? added : m_entries->find(token);
}

} // namespace cortex::engine
