// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/contextreader.h"

#include "neuron/engine/error.h"

#include <unordered_map>
#include <vector>

namespace cortex::engine {

namespace {

using Json = TemplateContext;

/// Makes a value of the parser's events; the functions have the names of nlohmann's SAX interface.
class Builder {
public:
    Json root;

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(int64_t value) { return add(value); }
    bool number_unsigned(uint64_t value) { return add(value); }
    bool number_float(double value, const std::string&) { return add(value); }
    bool string(std::string& value) { return add(std::move(value)); }
    bool binary(Json::binary_t& value) { return add(std::move(value)); }
    bool start_object(size_t) { return open(Json::object()); }
    bool start_array(size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name)
    {
        Level& level = m_levels.back();
        auto& members = level.container->get_ref<Json::object_t&>();
        const auto [place, isNew] = level.places.emplace(name, members.size());
        if (isNew)
            static_cast<Json::object_t::Container&>(members).emplace_back(std::move(name), nullptr);
        level.target = &std::next(members.begin(), ptrdiff_t(place->second))->second;
        return true;
    }

    [[noreturn]] bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error)
    {
        throw Error(ErrorKind::BadRequest, std::string("the context is not valid JSON: ") + error.what());
    }

private:
    /// An object or array that is open.
    struct Level {
        Json* container;
        Json* target = nullptr; ///< of an object: where the next value goes
        std::unordered_map<std::string, size_t> places; ///< of its keys
    };

    bool add(Json value)
    {
        place(std::move(value));
        return true;
    }

    bool open(Json container)
    {
        m_levels.push_back({place(std::move(container)), nullptr, {}});
        return true;
    }

    bool close()
    {
        m_levels.pop_back();
        return true;
    }

    /// Elements stay where they are while one of them is open: nothing is added beside it then.
    Json* place(Json value)
    {
        if (m_levels.empty())
            return &(root = std::move(value));
        Level& level = m_levels.back();
        if (!level.container->is_array())
            return &(*level.target = std::move(value));
        auto& elements = level.container->get_ref<Json::array_t&>();
        elements.push_back(std::move(value));
        return &elements.back();
    }

    std::vector<Level> m_levels;
};

} // namespace

TemplateContext readContext(std::string_view json)
{
    Builder builder;
    Json::sax_parse(json.begin(), json.end(), &builder);
    return std::move(builder.root);
}

} // namespace cortex::engine
