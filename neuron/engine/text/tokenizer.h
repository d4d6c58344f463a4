// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cortex::engine {

class GgufFile;

/// Text to token ids and back, as the Hugging Face `tokenizers` library does it for the same vocabulary. Immutable once
/// made; safe to use from many threads at once.
class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    struct EncodeOptions {
        bool addBos = false; ///< put the beginning-of-sequence token first
        bool parseSpecial = true; ///< recognise special tokens in the text; added ordinary tokens always are
    };

    /// Never fails: invalid UTF-8 is encoded as U+FFFD, as the reference does.
    virtual std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options) const = 0;

    /// The bytes that a token stands for; may be part of a UTF-8 sequence. Special tokens give their text. Ids outside
    /// the vocabulary give nothing.
    virtual std::string tokenBytes(int32_t token) const = 0;

    /// What of tokenBytes() is left where the token is the first of a text: tokenizers that put a space before a text
    /// take it away again. The first is the first that gives any bytes.
    virtual std::string firstTokenBytes(int32_t token) const { return tokenBytes(token); }

    /// Whole text of a list, from the start of a text; special tokens are left out where `skipSpecial`. Invalid UTF-8
    /// becomes U+FFFD.
    virtual std::string decode(const std::vector<int32_t>& tokens, bool skipSpecial = false) const = 0;

    /// A number of tokens that encode() makes of `text` (valid UTF-8) at least, quickly told: from its bytes alone. 0
    /// where bytes tell nothing, since a tokenizer lets text vanish, or any length of it be one token.
    virtual size_t leastTokens(std::string_view) const { return 0; }

    virtual int32_t vocabularySize() const = 0;
    virtual bool isSpecial(int32_t token) const = 0;
    /// The id of a token by its text (an added token, or a vocabulary entry), or nothing.
    virtual std::optional<int32_t> find(std::string_view token) const = 0;

    virtual std::optional<int32_t> bos() const = 0;
    virtual std::optional<int32_t> eos() const = 0;
    /// Every token that ends a generation: eos, and end-of-turn tokens (<|im_end|>, <|eot_id|>, <end_of_turn>, …).
    virtual const std::vector<int32_t>& stopTokens() const = 0;
    /// Whether the model wants its prompts to begin with bos (GGUF add_bos_token, tokenizer_config add_bos_token).
    virtual bool wantsBos() const = 0;
};

/// From `tokenizer.ggml.*` metadata. Throws Error(BadFile | Unsupported) naming file, key and cause.
std::shared_ptr<const Tokenizer> tokenizerFromGguf(const GgufFile& file);

/// From a `tokenizer.json`; `tokenizer_config.json`, `generation_config.json` and `config.json` beside it, where they
/// are, tell bos, eos and stop tokens. Throws likewise.
std::shared_ptr<const Tokenizer> tokenizerFromJson(const std::filesystem::path& tokenizerJson);

} // namespace cortex::engine
