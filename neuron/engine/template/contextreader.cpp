// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/contextreader.h"

#include "neuron/engine/error.h"

#include <unordered_map>
#include <vector>

namespace cortex::engine {

namespace {

using Json = TemplateContext;

constexpr size_t IndexedKeys = 16; ///< above this many keys an object gets an index against quadratic look-ups

/// Builds a value from the parser's events. nlohmann's own builder looks each new key up among all before it, which
/// lets a hostile text of one large object hold a thread for minutes.
class Builder : public nlohmann::json_sax<Json> {
public:
    explicit Builder(const ContextLimits& limits)
        : m_limits(limits)
    {
    }

    Json root;
    std::string fault; ///< what is said of the text, once a function has returned false

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override
    {
        Level& level = m_levels.back();
        auto& members = static_cast<Members&>(level.container->get_ref<Json::object_t&>());
        if (members.size() == IndexedKeys) {
            for (size_t i = 0; i < members.size(); ++i)
                level.index.emplace(members[i].first, i);
        }
        if (const size_t place = findMember(level, members, name); place < members.size()) {
            level.target = &members[place].second;
            return true;
        }
        if (members.size() >= IndexedKeys)
            level.index.emplace(name, members.size());
        members.emplace_back(std::move(name), nullptr);
        level.target = &members.back().second;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override
    {
        fault = "is not valid JSON (at byte " + std::to_string(position) + ")";
        return false;
    }

private:
    using Members = std::vector<std::pair<const std::string, Json>>; // what ordered_map is underneath
    struct Level {
        Json* container;
        Json* target = nullptr; ///< in an object: where the next value goes
        std::unordered_map<std::string, size_t> index;
    };

    static size_t findMember(const Level& level, const Members& members, const std::string& name)
    {
        if (members.size() >= IndexedKeys) {
            const auto found = level.index.find(name);
            return found == level.index.end() ? members.size() : found->second;
        }
        size_t place = 0;
        while (place < members.size() && members[place].first != name)
            ++place;
        return place;
    }

    Json* place(Json value)
    {
        if (m_levels.empty()) {
            root = std::move(value);
            return &root;
        }
        Level& level = m_levels.back();
        if (level.container->is_array()) {
            auto& elements = level.container->get_ref<Json::array_t&>();
            elements.push_back(std::move(value));
            return &elements.back();
        }
        *level.target = std::move(value);
        return level.target;
    }

    bool count()
    {
        if (m_values++ < m_limits.values)
            return true;
        fault = "holds more than " + std::to_string(m_limits.values) + " values";
        return false;
    }

    bool add(Json value)
    {
        if (!count())
            return false;
        place(std::move(value));
        return true;
    }

    bool open(Json container)
    {
        if (m_levels.size() >= m_limits.depth) {
            fault = "is nested deeper than " + std::to_string(m_limits.depth) + " levels";
            return false;
        }
        if (!count())
            return false;
        Json* placed = place(std::move(container));
        m_levels.push_back({placed, nullptr, {}});
        return true;
    }

    bool close()
    {
        m_levels.pop_back();
        return true;
    }

    const ContextLimits m_limits;
    std::vector<Level> m_levels;
    size_t m_values = 0;
};

} // namespace

TemplateContext readContext(std::string_view json, const std::string& what, const ContextLimits& limits)
{
    Builder builder(limits);
    if (!Json::sax_parse(json.begin(), json.end(), &builder))
        throw Error(ErrorKind::BadRequest, what + ' ' + builder.fault);
    return std::move(builder.root);
}

} // namespace cortex::engine
