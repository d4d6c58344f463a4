// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/vocabulary.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cortex::engine {

/// The rules of a tokenizer.json, as far as they are pairs.
class JsonMerges {
public:
    size_t size() const { return m_places.size(); }
    BpeVocabulary::Pair operator[](size_t index) const;
    void add(std::string_view left, std::string_view right);

private:
    struct Place {
        size_t begin;
        size_t left; ///< bytes, before those of the right entry
        size_t right;
    };
    std::string m_text;
    std::vector<Place> m_places;
};

/// A tokenizer.json taken apart. Its two tables, which make up nearly all of it, become what they are needed as while
/// the file is parsed, without a json value for each of their entries; `rest` has them empty.
struct TokenizerJson {
    nlohmann::json rest;
    std::shared_ptr<Entries> entries = std::make_shared<Entries>(); ///< model.vocab, where that is an object
    std::optional<std::string> badEntry; ///< the first that has no id from 0 to maxTokenId
    JsonMerges merges; ///< model.merges, where that is an array
    bool badMerge = false; ///< what follows them is no pair
};

/// Throws Error(BadFile) as parseJson does.
TokenizerJson parseTokenizerJson(std::span<const std::byte> bytes, const std::filesystem::path& path);

} // namespace cortex::engine
