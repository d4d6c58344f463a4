// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/formats/jsonfile.h"

#include "neuron/engine/formats/jsonbuilder.h"
#include "neuron/engine/formats/quotedname.h"

namespace cortex::engine {

using nlohmann::json;

namespace {

[[noreturn]] void failAt(const std::filesystem::path& path, const std::string& where, const std::string& cause,
                         ErrorKind kind = ErrorKind::BadFile)
{
    throw Error(kind, path.string() + ": " + where + cause);
}

} // namespace

json parseJson(std::span<const std::byte> bytes, const std::filesystem::path& path, size_t firstByte)
{
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    JsonBuilder builder(path, firstByte);
    json::sax_parse(begin, begin + bytes.size(), &builder);
    return std::move(builder.result());
}

JsonView::JsonView(const json& value, const std::filesystem::path& path, std::string where)
    : m_value(&value)
    , m_path(&path)
    , m_where(std::move(where))
{
}

void JsonView::fail(const std::string& cause, ErrorKind kind) const
{
    failAt(*m_path, m_where.empty() ? "" : quotedName(m_where) + ' ', cause, kind);
}

std::optional<JsonView> JsonView::member(std::string_view key) const
{
    if (!isObject())
        fail("is not an object");
    const auto found = m_value->find(key);
    if (found == m_value->end() || found->is_null())
        return std::nullopt;
    return JsonView(*found, *m_path, m_where + (m_where.empty() ? "" : ".") + std::string(key));
}

JsonView JsonView::require(std::string_view key) const
{
    if (const auto found = member(key))
        return *found;
    fail("lacks the key " + quotedName(key));
}

JsonElements JsonView::elements() const
{
    if (!isArray())
        fail("is not an array");
    return JsonElements(*this);
}

JsonView JsonView::element(size_t index) const
{
    return JsonView((*m_value)[index], *m_path, m_where + '[' + std::to_string(index) + ']');
}

const std::string& JsonView::string() const
{
    if (!isString())
        fail("is not a string");
    return m_value->get_ref<const std::string&>();
}

int64_t JsonView::integer() const
{
    if (!isInteger() || (m_value->is_number_unsigned() && m_value->get<uint64_t>() > uint64_t(INT64_MAX)))
        fail("is not an integer");
    return m_value->get<int64_t>();
}

bool JsonView::boolean() const
{
    if (!isBoolean())
        fail("is not true or false");
    return m_value->get<bool>();
}

bool JsonView::boolean(std::string_view key, bool otherwise) const
{
    const auto found = member(key);
    return found ? found->boolean() : otherwise;
}

} // namespace cortex::engine
