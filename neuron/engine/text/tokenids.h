// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cortex::engine {

/// Hashes std::string and std::string_view alike, so that a map of strings is searched without making one.
struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// Ids by entry, as the vocabulary spells it.
using TokenIds = std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>>;

inline std::optional<int32_t> tokenId(const TokenIds& ids, std::string_view entry)
{
    const auto found = ids.find(entry);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
}

} // namespace cortex::engine
