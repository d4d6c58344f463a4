// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/entries.h"

#include "neuron/engine/error.h"

#include <algorithm>
#include <bit>

namespace cortex::engine {

namespace {

/// Far above any real vocabulary; offsets fit 32 bits.
constexpr size_t maxBytes = size_t(1) << 30;
constexpr size_t leastSlots = 16;

} // namespace

Entries::Entries(std::initializer_list<std::pair<std::string_view, int32_t>> entries)
{
    for (const auto& [text, id] : entries)
        add(text, id);
}

void Entries::reserve(size_t count, size_t bytes)
{
    m_bytes.reserve(std::min(bytes, maxBytes));
    m_texts.reserve(count);
    if (2 * count > m_slots.size())
        resizeSlots(std::bit_ceil(std::max(2 * count, leastSlots)));
}

bool Entries::add(std::string_view text, int32_t id)
{
    if (text.size() > maxBytes - m_bytes.size())
        throw Error(ErrorKind::BadFile, "the entries of the vocabulary take more than 1 GiB");
    if (2 * (m_used + 1) > m_slots.size())
        resizeSlots(std::max(2 * m_slots.size(), leastSlots));
    const Text placed{uint32_t(m_bytes.size()), uint32_t(text.size())};
    m_bytes += text;
    if (size_t(id) >= m_texts.size())
        m_texts.resize(size_t(id) + 1);
    m_texts[size_t(id)] = placed;

    const uint32_t hash = hashOf(text);
    Slot& slot = m_slots[slotIndex(text, hash)];
    if (slot.id >= 0)
        return false;
    slot = {hash, id, placed};
    ++m_used;
    return true;
}

void Entries::append(std::span<const std::string_view> texts)
{
    constexpr size_t ahead = 8;
    size_t bytes = m_bytes.size();
    for (const std::string_view text : texts)
        bytes += text.size();
    reserve(m_texts.size() + texts.size(), bytes);
    for (size_t i = 0; i < texts.size(); ++i) {
        if (i + ahead < texts.size())
            prefetch(hashOf(texts[i + ahead]));
        add(texts[i], int32_t(m_texts.size()));
    }
}

void Entries::prefetch(uint32_t hash) const
{
    if (!m_slots.empty())
        __builtin_prefetch(&m_slots[hash & (m_slots.size() - 1)]);
}

void Entries::prefetchText(uint32_t hash) const
{
    if (!m_slots.empty())
        __builtin_prefetch(m_bytes.data() + m_slots[hash & (m_slots.size() - 1)].text.begin);
}

std::optional<int32_t> Entries::find(std::string_view text, uint32_t hash) const
{
    if (m_slots.empty())
        return std::nullopt;
    const Slot& slot = m_slots[slotIndex(text, hash)];
    return slot.id < 0 ? std::nullopt : std::optional(slot.id);
}

/// The slot of the text, or the empty one where it would go.
size_t Entries::slotIndex(std::string_view text, uint32_t hash) const
{
    const size_t mask = m_slots.size() - 1;
    size_t index = hash & mask;
    while (m_slots[index].id >= 0 && (m_slots[index].hash != hash || view(m_slots[index].text) != text))
        index = (index + 1) & mask;
    return index;
}

void Entries::resizeSlots(size_t count)
{
    const std::vector<Slot> old = std::exchange(m_slots, std::vector<Slot>(count));
    for (const Slot& slot : old) {
        if (slot.id < 0)
            continue;
        size_t index = slot.hash & (count - 1);
        while (m_slots[index].id >= 0)
            index = (index + 1) & (count - 1);
        m_slots[index] = slot;
    }
}

} // namespace cortex::engine
