// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/bpetokenizer.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/bytealphabet.h"
#include "neuron/engine/text/nfc.h"
#include "neuron/engine/text/utf8.h"

#include <algorithm>

namespace cortex::engine {

namespace {

std::array<int32_t, 256> byteTokens(const TokenIds& ids)
{
    std::array<int32_t, 256> tokens{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = char(byte);
        const auto found = ids.find(entryOfBytes({&c, 1}));
        tokens[byte] = found == ids.end() ? -1 : found->second;
    }
    return tokens;
}

/// The contents as they are looked for: those matched in normalized text are normalized themselves.
std::vector<AddedToken> patternsOf(std::vector<AddedToken> tokens, bool normalizeNfc)
{
    for (AddedToken& token : tokens)
        if (token.normalized && normalizeNfc)
            token.content = toNfc(token.content);
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

std::string bytesOf(const std::string& entry)
{
    return bytesOfEntry(entry).value_or(entry);
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
                addNormalized(normalized(segment.text));
        }
    }

private:
    std::string_view normalized(std::string_view text)
    {
        if (!m_tokenizer.m_normalizeNfc || isCertainlyNfc(text))
            return text;
        return m_storage.emplace_back(toNfc(text));
    }

    void addNormalized(std::string_view text)
    {
        for (const auto& segment : m_tokenizer.m_normalizedTokens.split(text, m_parseSpecial)) {
            if (segment.token)
                tokens.push_back(*segment.token);
            else
                for (const std::string_view word : m_tokenizer.m_preTokenizer.words(segment.text, m_storage))
                    addWord(word);
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
        if (const auto whole = wholeWord(word))
            tokens.push_back(*whole);
        else
            m_tokenizer.m_merger.append(word, tokens);
        seen->second.count = tokens.size() - seen->second.begin;
    }

    std::optional<int32_t> wholeWord(std::string_view word) const
    {
        if (!m_tokenizer.m_ignoreMerges)
            return std::nullopt;
        const auto found = m_tokenizer.m_entryIds.find(entryOfBytes(word));
        return found == m_tokenizer.m_entryIds.end() ? std::nullopt : std::optional(found->second);
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
    : m_bytes(vocabulary.entries.size())
    , m_entryIds(std::move(vocabulary.ids))
    , m_rawTokens(checked(vocabulary.added), false)
    , m_normalizedTokens(patternsOf(vocabulary.added, vocabulary.normalizeNfc), true)
    , m_preTokenizer(std::move(vocabulary.preTokenizer))
    , m_merger(byteTokens(m_entryIds), vocabulary.merges)
    , m_normalizeNfc(vocabulary.normalizeNfc)
    , m_ignoreMerges(vocabulary.ignoreMerges)
    , m_roles(std::move(vocabulary.roles))
{
    std::ranges::transform(vocabulary.entries, m_bytes.begin(), bytesOf);
    m_special.resize(m_bytes.size());
    for (const AddedToken& token : vocabulary.added) {
        if (size_t(token.id) >= m_bytes.size()) {
            m_bytes.resize(size_t(token.id) + 1);
            m_special.resize(m_bytes.size());
        }
        m_bytes[size_t(token.id)] = bytesOf(token.content);
        m_special[size_t(token.id)] = token.special;
        m_addedIds.emplace(token.content, token.id);
    }
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

std::string BpeTokenizer::tokenBytes(int32_t token) const
{
    return hasToken(token) ? m_bytes[size_t(token)] : std::string();
}

std::string BpeTokenizer::decode(const std::vector<int32_t>& tokens, bool skipSpecial) const
{
    std::string bytes;
    for (const int32_t token : tokens)
        if (hasToken(token) && !(skipSpecial && m_special[size_t(token)]))
            bytes += m_bytes[size_t(token)];
    return repairedUtf8(bytes);
}

bool BpeTokenizer::isSpecial(int32_t token) const
{
    return hasToken(token) && m_special[size_t(token)];
}

std::optional<int32_t> BpeTokenizer::find(std::string_view token) const
{
    if (const auto found = m_addedIds.find(token); found != m_addedIds.end())
        return found->second;
    const auto found = m_entryIds.find(token);
    return found == m_entryIds.end() ? std::nullopt : std::optional(found->second);
}

} // namespace cortex::engine
