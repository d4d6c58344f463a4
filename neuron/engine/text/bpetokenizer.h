// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/tokenizer.h"
#include "neuron/engine/text/vocabulary.h"

#include <bitset>

namespace cortex::engine {

/// Byte-pair encoding, byte-level and of the SentencePiece kinds: added tokens are taken out of the text, the rest is
/// normalized, cut into words, and each word is given to the subword model.
class BpeTokenizer final : public Tokenizer {
public:
    /// Throws Error(BadFile) for ids out of range and added tokens that cannot be matched.
    explicit BpeTokenizer(BpeVocabulary vocabulary);

    std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const override;
    std::string tokenBytes(int32_t token) const override;
    std::string firstTokenBytes(int32_t token) const override;
    std::string decode(const std::vector<int32_t>& tokens, bool skipSpecial) const override;
    size_t leastTokens(std::string_view text) const override;
    int32_t vocabularySize() const override { return int32_t(m_special.size()); }
    bool isSpecial(int32_t token) const override;
    std::optional<int32_t> find(std::string_view token) const override;
    std::optional<int32_t> bos() const override { return m_roles.bos; }
    std::optional<int32_t> eos() const override { return m_roles.eos; }
    const std::vector<int32_t>& stopTokens() const override { return m_roles.stops; }
    bool wantsBos() const override { return m_roles.wantsBos; }

private:
    class Encoding;

    bool hasToken(int32_t token) const { return token >= 0 && size_t(token) < m_special.size(); }

    std::string_view spelling(int32_t token) const;
    size_t longestSpelling() const;
    void measureTokens();

    std::shared_ptr<const Entries> m_entries;
    Entries m_added; ///< these texts count before m_entries
    std::vector<bool> m_isAdded; ///< by id, up to the last one of either
    std::vector<bool> m_special; ///< likewise
    TokenDecoder m_decoder;
    AddedTokenMatcher m_rawTokens;
    AddedTokenMatcher m_normalizedTokens;
    Normalizer m_normalizer;
    PreTokenizer m_preTokenizer;
    std::optional<WordCutter> m_cutter;
    std::shared_ptr<const SubwordModel> m_model;
    TokenRoles m_roles;
    std::bitset<256> m_countedBytes; ///< bytes of a text that are sure to be in a token
    size_t m_mostBytesPerToken = 1; ///< of those bytes
};

} // namespace cortex::engine
