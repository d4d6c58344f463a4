// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/detokenizer.h"

#include <cstdlib>

namespace cortex::fuzz {

/// A stream gives what decoding the whole gives.
inline void checkStream(const std::shared_ptr<const engine::Tokenizer>& tokenizer, const std::vector<int32_t>& ids,
                        bool skipSpecial)
{
    engine::StreamDetokenizer stream(tokenizer, skipSpecial, engine::StreamDetokenizer::Start::OfText);
    std::string text;
    for (const int32_t id : ids)
        text += stream.push(id);
    if (text + stream.flush() != tokenizer->decode(ids, skipSpecial))
        std::abort();
}

/// Uses every function of a tokenizer that a hostile file has made. Whatever the vocabulary, ids are in its range.
inline void exercise(const std::shared_ptr<const engine::Tokenizer>& shared)
{
    const engine::Tokenizer& tokenizer = *shared;
    const std::string text = "Hello  world's 123\r\n\t<|im_end|> caf\xc3\xa9 e\xcc\x81 \xe6\xbc\xa2 \xff\xed\xa0\x80 "
                             "aaaaaaaa\xe2\x96\x81   <0x0A>";
    for (const bool parseSpecial : {true, false}) {
        const auto ids = tokenizer.encode(text, {.addBos = true, .parseSpecial = parseSpecial});
        for (const int32_t id : ids)
            if (id < 0 || id >= tokenizer.vocabularySize())
                std::abort();
        checkStream(shared, ids, false);
        checkStream(shared, ids, true);
    }
    for (const int32_t id : {-1, 0, 1, tokenizer.vocabularySize() - 1, tokenizer.vocabularySize()}) {
        tokenizer.tokenBytes(id);
        tokenizer.firstTokenBytes(id);
        tokenizer.isSpecial(id);
    }
    tokenizer.find("<|im_end|>");
}

} // namespace cortex::fuzz
