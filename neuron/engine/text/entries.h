// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cortex::engine {

/// The entries of a vocabulary, as it spells them: texts by id and ids by text. Loading a model waits for this table,
/// so all texts lie in one block and ids are found by open addressing: no allocation per entry.
class Entries {
public:
    Entries() = default;
    Entries(std::initializer_list<std::pair<std::string_view, int32_t>> entries);

    /// Makes room for `count` entries of `bytes` in all.
    void reserve(size_t count, size_t bytes);
    /// `id` is not negative. Of equal texts the first one's id is found, of equal ids the last one's text. False where
    /// there is such a text already. Throws Error(BadFile) for more text than any vocabulary has.
    bool add(std::string_view text, int32_t id);
    /// Gives `texts` the ids from size() on.
    void append(std::span<const std::string_view> texts);

    size_t size() const { return m_texts.size(); } ///< the largest id + 1
    /// `id` is below size(). Empty where the id is unused. Valid until the next add.
    std::string_view operator[](size_t id) const { return view(m_texts[id]); }
    std::optional<int32_t> find(std::string_view text) const { return find(text, hashOf(text)); }
    bool contains(std::string_view text) const { return find(text).has_value(); }

    // The table is larger than the caches. Who has many texts to find asks for the memory of the next while it waits
    // for that of the last: hashOf and prefetch for a number of texts, then prefetchText, then find.
    static uint32_t hashOf(std::string_view text) { return uint32_t(std::hash<std::string_view>()(text)); }
    void prefetch(uint32_t hash) const;
    void prefetchText(uint32_t hash) const;
    std::optional<int32_t> find(std::string_view text, uint32_t hash) const;

private:
    struct Text {
        uint32_t begin = 0; ///< in m_bytes
        uint32_t size = 0;
    };
    /// A place of the hash table.
    struct Slot {
        uint32_t hash = 0;
        int32_t id = -1; ///< -1: empty
        Text text;
    };

    std::string_view view(Text text) const { return std::string_view(m_bytes).substr(text.begin, text.size); }
    size_t slotIndex(std::string_view text, uint32_t hash) const;
    void resizeSlots(size_t count);

    std::string m_bytes;
    std::vector<Text> m_texts; ///< by id
    std::vector<Slot> m_slots; ///< open addressing, a power of two, at most half full
    size_t m_used = 0; ///< slots
};

} // namespace cortex::engine
