// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/toolcall.h"

#include "neuron/daemon/apierror.h"

#include <algorithm>
#include <vector>

namespace cortex::neuron {

namespace {

constexpr std::string_view FunctionTag = "<function=";
constexpr std::string_view FunctionEnd = "</function>";
constexpr std::string_view ParameterTag = "<parameter=";
constexpr std::string_view ParameterEnd = "</parameter>";
constexpr std::string_view Space = " \t\r\n";

std::string_view trimmed(std::string_view text)
{
    const size_t first = text.find_first_not_of(Space);
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(Space) - first + 1);
}

std::string dump(const Json& value)
{
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Json> parsed(std::string_view text)
{
    try {
        return parseJson(text);
    } catch (const ApiError&) { // not JSON: what that means is for the caller to say
        return {};
    }
}

// {"name": …, "arguments": …}
// -------------------------------------------------------------------------------------------------------------------

std::optional<ToolCall> parseJsonCall(std::string_view text)
{
    const std::optional<Json> call = parsed(text);
    if (!call || !call->is_object())
        return {};
    const auto name = call->find("name");
    if (name == call->end() || !name->is_string() || name->get_ref<const std::string&>().empty())
        return {};
    auto arguments = call->find("arguments");
    if (arguments == call->end())
        arguments = call->find("parameters"); // as Llama 3 names them
    if (arguments == call->end() || arguments->is_null())
        return ToolCall{name->get<std::string>(), "{}"};
    if (arguments->is_object())
        return ToolCall{name->get<std::string>(), dump(*arguments)};
    // Some models quote the object, as OpenAI's wire does.
    const std::optional<Json> unquoted =
        arguments->is_string() ? parsed(arguments->get_ref<const std::string&>()) : std::nullopt;
    return unquoted && unquoted->is_object() ? std::optional(ToolCall{name->get<std::string>(), dump(*unquoted)})
                                             : std::nullopt;
}

// <function=…><parameter=…>…
// -------------------------------------------------------------------------------------------------------------------

/// The JSON schema of one parameter in the request's tools; null where they do not describe it.
const Json* parameterSchema(const Json& tools, const std::string& function, const std::string& parameter)
{
    const auto member = [](const Json* object, const std::string& name) -> const Json* {
        if (!object || !object->is_object())
            return nullptr;
        const auto found = object->find(name);
        return found == object->end() ? nullptr : &*found;
    };
    for (const Json& tool : tools) {
        const Json* description = member(&tool, "function");
        const Json* name = member(description, "name");
        if (name && *name == function)
            return member(member(member(description, "parameters"), "properties"), parameter);
    }
    return nullptr;
}

/// The "type" of a schema, a word or a list of words, and those of its alternatives.
void collectTypes(const Json& schema, std::vector<std::string>& types)
{
    if (!schema.is_object())
        return;
    if (const auto type = schema.find("type"); type != schema.end()) {
        for (const Json& word : type->is_array() ? *type : Json::array({*type})) {
            if (word.is_string())
                types.push_back(word);
        }
    }
    for (const char* alternatives : {"anyOf", "oneOf"}) {
        const auto found = schema.find(alternatives);
        if (found == schema.end() || !found->is_array())
            continue;
        for (const Json& alternative : *found)
            collectTypes(alternative, types);
    }
}

bool isOfType(const Json& value, const std::string& type)
{
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array())
        || (type == "integer" && value.is_number_integer()) || (type == "number" && value.is_number())
        || (type == "boolean" && value.is_boolean()) || (type == "null" && value.is_null());
}

/// Templates print the constants of earlier calls in Python's spelling, and models copy it.
std::string_view jsonSpelling(std::string_view text)
{
    return text == "True" ? "true" : text == "False" ? "false" : text == "None" ? "null" : text;
}

/// A parameter is text, unless its schema has another type that the text is a value of.
Json parameterValue(std::string_view text, const Json* schema)
{
    std::vector<std::string> types;
    if (schema)
        collectTypes(*schema, types);
    if (std::any_of(types.begin(), types.end(), [](const std::string& type) { return type != "string"; })) {
        const std::optional<Json> value = parsed(jsonSpelling(trimmed(text)));
        if (value
            && std::any_of(types.begin(), types.end(), [&](const std::string& type) { return isOfType(*value, type); }))
            return *value;
    }
    return std::string(text);
}

/// The text of a tag up to its '>', taken off the front of `text`; nothing where it does not begin with the tag.
std::optional<std::string> takeTag(std::string_view& text, std::string_view tag)
{
    if (!text.starts_with(tag))
        return {};
    const size_t end = text.find('>');
    if (end == text.npos)
        return {};
    const std::string_view name = trimmed(text.substr(tag.size(), end - tag.size()));
    text.remove_prefix(end + 1);
    return name.empty() ? std::nullopt : std::optional<std::string>(name);
}

/// Takes a parameter's value and its closing tag off the front of `text`. A closing tag in the middle of a line, with
/// other text behind it, is part of the value: code that is passed along may well hold one.
std::optional<std::string_view> takeValue(std::string_view& text)
{
    for (size_t end = text.find(ParameterEnd); end != text.npos; end = text.find(ParameterEnd, end + 1)) {
        std::string_view rest = text.substr(end + ParameterEnd.size());
        rest.remove_prefix(std::min(rest.find_first_not_of(Space), rest.size()));
        if (!rest.empty() && !rest.starts_with(ParameterTag) && !rest.starts_with(FunctionEnd))
            continue;
        std::string_view value = text.substr(0, end);
        if (value.starts_with('\n'))
            value.remove_prefix(1);
        if (value.ends_with('\n'))
            value.remove_suffix(1);
        text = rest;
        return value;
    }
    return {};
}

std::optional<ToolCall> parseXmlCall(std::string_view text, const Json& tools)
{
    const std::optional<std::string> name = takeTag(text, FunctionTag);
    if (!name)
        return {};
    Json arguments = Json::object();
    text = trimmed(text);
    while (const std::optional<std::string> parameter = takeTag(text, ParameterTag)) {
        const std::optional<std::string_view> value = takeValue(text);
        if (!value)
            return {};
        arguments[*parameter] = parameterValue(*value, parameterSchema(tools, *name, *parameter));
    }
    return text == FunctionEnd ? std::optional(ToolCall{*name, dump(arguments)}) : std::nullopt;
}

} // namespace

void ToolCallScanner::recognise(std::string_view text)
{
    m_scanned = std::min(text.find_first_not_of(Space, m_scanned), text.size());
    if (m_scanned == text.size())
        return;
    const std::string_view beginning = text.substr(m_scanned, FunctionTag.size());
    if (beginning.front() == '{')
        m_dialect = Dialect::Hermes;
    else if (beginning == FunctionTag)
        m_dialect = Dialect::Qwen;
    else if (!FunctionTag.starts_with(beginning))
        m_dialect = Dialect::None;
}

std::optional<size_t> ToolCallScanner::findEnd(std::string_view text)
{
    if (m_dialect == Dialect::Unknown)
        recognise(text);
    if (m_dialect == Dialect::Unknown || m_dialect == Dialect::None)
        return {};
    for (; m_scanned < text.size(); ++m_scanned) {
        const char c = text[m_scanned];
        if (m_dialect == Dialect::Hermes && (m_inString || c == '"')) {
            const bool closes = c == '"' && !m_escaped;
            m_escaped = m_inString && c == '\\' && !m_escaped;
            m_inString = m_inString ? !closes : true;
            continue;
        }
        if (c != '<')
            continue;
        const std::string_view tag = text.substr(m_scanned, ClosingTag.size());
        if (tag == ClosingTag) {
            const std::string_view before = text.substr(0, m_scanned);
            if (m_dialect == Dialect::Hermes
                || before.substr(0, before.find_last_not_of(Space) + 1).ends_with(FunctionEnd))
                return m_scanned;
        } else if (ClosingTag.starts_with(tag)) {
            return {}; // it may become one
        }
    }
    return {};
}

std::optional<ToolCall> parseToolCall(std::string_view text, const Json& tools)
{
    const std::string_view body = trimmed(text);
    return body.starts_with('{') ? parseJsonCall(body) : parseXmlCall(body, tools);
}

} // namespace cortex::neuron
