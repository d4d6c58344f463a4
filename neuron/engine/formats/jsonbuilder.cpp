// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/jsonbuilder.h"

#include "neuron/engine/error.h"
#include "neuron/engine/formats/quotedname.h"

namespace cortex::engine {

using nlohmann::json;

namespace {

constexpr size_t maxLevels = 64;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& cause)
{
    throw Error(ErrorKind::BadFile, path.string() + ": " + cause);
}

} // namespace

JsonBuilder::JsonBuilder(const std::filesystem::path& path, size_t firstByte)
    : m_path(path)
    , m_firstByte(firstByte)
{
}

void JsonBuilder::checkLevels(size_t levels) const
{
    if (levels > maxLevels)
        fail(m_path, "the JSON is nested deeper than " + std::to_string(maxLevels) + " levels");
}

void JsonBuilder::failTwice(const std::string& key) const
{
    fail(m_path, "the key " + quotedName(key) + " occurs twice in one object");
}

bool JsonBuilder::key(std::string& key)
{
    const auto [member, isNew] = m_open.back()->get_ref<json::object_t&>().try_emplace(key);
    if (!isNew)
        failTwice(key);
    m_member = &member->second;
    return true;
}

bool JsonBuilder::parse_error(size_t position, const std::string&, const json::exception& error)
{
    if (dynamic_cast<const json::out_of_range*>(&error))
        fail(m_path, "a number in the JSON is out of range");
    fail(m_path,
         "byte " + std::to_string(m_firstByte + position)
             + ": this is not valid JSON; the file is damaged or incomplete, fetch it again");
}

bool JsonBuilder::add(json value)
{
    place(std::move(value));
    return true;
}

/// Elements of an array stay where they are while one of them is open: nothing is added to it then.
bool JsonBuilder::open(json container)
{
    checkLevels(m_open.size() + 1);
    m_open.push_back(place(std::move(container)));
    return true;
}

bool JsonBuilder::close()
{
    m_open.pop_back();
    return true;
}

/// Puts a value where the next one goes.
json* JsonBuilder::place(json value)
{
    if (m_open.empty()) {
        m_root = std::move(value);
        return &m_root;
    }
    if (m_open.back()->is_array()) {
        auto& array = m_open.back()->get_ref<json::array_t&>();
        array.push_back(std::move(value));
        return &array.back();
    }
    *m_member = std::move(value);
    return m_member;
}

} // namespace cortex::engine
