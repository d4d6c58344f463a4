// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/text/tokenizerjson.h"

#include "neuron/engine/formats/jsonbuilder.h"

namespace cortex::engine {

namespace {

/// Takes what stands in a large object or array, event by event.
class Table {
public:
    virtual ~Table() = default;
    virtual void key(const std::string& key) = 0;
    virtual void number(uint64_t value) = 0;
    virtual void string(const std::string& value) = 0;
    virtual void other() = 0; ///< any other plain value
    virtual void open(bool array) = 0; ///< an object or array within
    virtual void close() = 0;
};

/// model.vocab: an object of ids.
class VocabTable final : public Table {
public:
    VocabTable(TokenizerJson& result, const JsonBuilder& builder)
        : m_result(result)
        , m_builder(builder)
    {
    }

    void key(const std::string& key) override
    {
        if (m_levels == 0)
            m_key = key;
    }
    void number(uint64_t value) override
    {
        if (m_levels > 0)
            return;
        if (value > uint64_t(maxTokenId))
            other();
        else if (!m_result.entries->add(m_key, int32_t(value)))
            m_builder.failTwice(m_key);
    }
    void string(const std::string&) override { other(); }
    void other() override
    {
        if (m_levels == 0 && !m_result.badEntry)
            m_result.badEntry = m_key;
    }
    void open(bool) override
    {
        other();
        ++m_levels;
    }
    void close() override { --m_levels; }

private:
    TokenizerJson& m_result;
    const JsonBuilder& m_builder;
    std::string m_key;
    size_t m_levels = 0; ///< open within the table
};

/// model.merges: an array of pairs, or in older files of strings with a space in their middle.
class MergesTable final : public Table {
public:
    explicit MergesTable(TokenizerJson& result)
        : m_result(result)
    {
    }

    void key(const std::string&) override { } // of an object, which is no pair anyhow
    void number(uint64_t) override { other(); }
    void string(const std::string& value) override
    {
        if (m_levels == 0)
            addSpaced(value);
        else if (m_parts == 0)
            m_left = value;
        else if (m_parts == 1)
            m_right = value;
        ++m_parts;
    }
    void other() override { m_result.badMerge = true; }
    void open(bool array) override
    {
        if (!array || m_levels > 0)
            other();
        ++m_levels;
        m_parts = 0;
    }
    void close() override
    {
        --m_levels;
        if (m_parts != 2)
            other();
        add(m_left, m_right);
    }

private:
    void addSpaced(std::string_view text)
    {
        const size_t space = text.find(' ');
        if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
            other();
        else
            add(text.substr(0, space), text.substr(space + 1));
    }
    void add(std::string_view left, std::string_view right)
    {
        if (!m_result.badMerge)
            m_result.merges.add(left, right);
    }

    TokenizerJson& m_result;
    size_t m_levels = 0; ///< open within the table
    size_t m_parts = 0; ///< strings of the pair so far
    std::string m_left, m_right;
};

/// Gives the tables their events and everything else to a builder. nlohmann's SAX interface.
class Splitter {
public:
    Splitter(TokenizerJson& result, const std::filesystem::path& path)
        : m_builder(path)
        , m_vocab(result, m_builder)
        , m_merges(result)
    {
    }

    JsonBuilder& builder() { return m_builder; }

    bool null() { return m_table ? other() : m_builder.null(); }
    bool boolean(bool value) { return m_table ? other() : m_builder.boolean(value); }
    bool number_integer(int64_t value) { return m_table ? other() : m_builder.number_integer(value); }
    bool number_float(double value, const std::string& text)
    {
        return m_table ? other() : m_builder.number_float(value, text);
    }
    bool binary(nlohmann::json::binary_t& value) { return m_builder.binary(value); } // JSON text has none
    bool number_unsigned(uint64_t value)
    {
        if (!m_table)
            return m_builder.number_unsigned(value);
        m_table->number(value);
        return true;
    }
    bool string(std::string& value)
    {
        if (!m_table)
            return m_builder.string(value);
        m_table->string(value);
        return true;
    }
    bool key(std::string& key)
    {
        if (m_table) {
            m_table->key(key);
            return true;
        }
        if (m_builder.levels() == 1)
            m_inModel = key == "model";
        m_key = key;
        return m_builder.key(key);
    }
    bool start_object(size_t) { return open(false); }
    bool end_object() { return close(false); }
    bool start_array(size_t) { return open(true); }
    bool end_array() { return close(true); }
    bool parse_error(size_t position, const std::string& token, const nlohmann::json::exception& error)
    {
        return m_builder.parse_error(position, token, error);
    }

private:
    bool other()
    {
        m_table->other();
        return true;
    }

    bool open(bool array)
    {
        if (m_table) {
            m_builder.checkLevels(m_builder.levels() + ++m_levels);
            m_table->open(array);
            return true;
        }
        if (m_inModel && m_builder.levels() == 2) {
            if (!array && m_key == "vocab")
                m_table = &m_vocab;
            else if (array && m_key == "merges")
                m_table = &m_merges;
        }
        return array ? m_builder.start_array(0) : m_builder.start_object(0);
    }

    bool close(bool array)
    {
        if (m_table && m_levels > 0) {
            --m_levels;
            m_table->close();
            return true;
        }
        m_table = nullptr;
        return array ? m_builder.end_array() : m_builder.end_object();
    }

    JsonBuilder m_builder;
    VocabTable m_vocab;
    MergesTable m_merges;
    Table* m_table = nullptr; ///< that is being read
    size_t m_levels = 0; ///< open within it
    std::string m_key; ///< last one of the builder's
    bool m_inModel = false; ///< in the root's member of that name
};

} // namespace

BpeVocabulary::Pair JsonMerges::operator[](size_t index) const
{
    const Place& place = m_places[index];
    const std::string_view text(m_text);
    return {text.substr(place.begin, place.left), text.substr(place.begin + place.left, place.right)};
}

void JsonMerges::add(std::string_view left, std::string_view right)
{
    m_places.push_back({m_text.size(), left.size(), right.size()});
    m_text.append(left).append(right);
}

TokenizerJson parseTokenizerJson(std::span<const std::byte> bytes, const std::filesystem::path& path)
{
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    TokenizerJson result;
    Splitter splitter(result, path);
    nlohmann::json::sax_parse(begin, begin + bytes.size(), &splitter);
    result.rest = std::move(splitter.builder().result());
    return result;
}

} // namespace cortex::engine
