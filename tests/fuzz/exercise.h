// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/tokenizer.h"

#include <cstdlib>

namespace cortex::fuzz {

/// Uses every function of a tokenizer that a hostile file has made. Whatever the vocabulary, ids are in its range.
inline void exercise(const engine::Tokenizer& tokenizer)
{
    const std::string text = "Hello  world's 123\r\n\t<|im_end|> caf\xc3\xa9 e\xcc\x81 \xe6\xbc\xa2 \xff\xed\xa0\x80 aaaaaaaa";
    for (const bool parseSpecial : {true, false}) {
        const auto ids = tokenizer.encode(text, {.addBos = true, .parseSpecial = parseSpecial});
        for (const int32_t id : ids)
            if (id < 0 || id >= tokenizer.vocabularySize())
                std::abort();
        tokenizer.decode(ids);
        tokenizer.decode(ids, true);
    }
    for (const int32_t id : {-1, 0, 1, tokenizer.vocabularySize() - 1, tokenizer.vocabularySize()}) {
        tokenizer.tokenBytes(id);
        tokenizer.isSpecial(id);
    }
    tokenizer.find("<|im_end|>");
}

} // namespace cortex::fuzz
