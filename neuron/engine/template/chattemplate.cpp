// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/chattemplate.h"

#include "neuron/engine/error.h"
#include "neuron/engine/template/interpreter.h"
#include "neuron/engine/template/lexer.h"
#include "neuron/engine/template/parser.h"
#include "neuron/engine/template/raised.h"
#include "neuron/engine/template/unicode.h"

#include <algorithm>

namespace cortex::engine {

struct ChatTemplate::Compiled {
    std::string source;
    std::string name;
    jinja::Block block;
};

namespace {

jinja::Value toValue(const TemplateContext& json, unsigned depth);

jinja::Value toList(const TemplateContext& json, unsigned depth)
{
    std::vector<jinja::Value> items;
    items.reserve(json.size());
    for (const TemplateContext& item : json)
        items.push_back(toValue(item, depth + 1));
    return jinja::Value::list(std::move(items));
}

std::shared_ptr<const jinja::Dict> toDict(const TemplateContext& json, unsigned depth)
{
    auto dict = std::make_shared<jinja::Dict>();
    for (const auto& [key, value] : json.items())
        dict->set(jinja::Value(key), toValue(value, depth + 1));
    return dict;
}

jinja::Value toValue(const TemplateContext& json, unsigned depth)
{
    if (depth > jinja::limits::valueDepth)
        jinja::fail("the context is nested more than " + std::to_string(jinja::limits::valueDepth) + " deep");
    switch (json.type()) {
    case TemplateContext::value_t::boolean:
        return json.get<bool>();
    case TemplateContext::value_t::number_integer:
        return jinja::Int(json.get<int64_t>());
    case TemplateContext::value_t::number_unsigned:
        return jinja::Int(json.get<uint64_t>());
    case TemplateContext::value_t::number_float:
        return json.get<double>();
    case TemplateContext::value_t::string:
        return jinja::Value(json.get_ref<const std::string&>());
    case TemplateContext::value_t::array:
        return toList(json, depth);
    case TemplateContext::value_t::object:
        return toDict(json, depth);
    default:
        return {};
    }
}

/// One line, whatever a template put into its names.
std::string oneLine(std::string text)
{
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return text.size() > 2000 ? text.substr(0, 2000) + "…" : text;
}

} // namespace

ChatTemplate::ChatTemplate(const std::string& source, const std::string& name)
{
    const auto bad = [&](const std::string& cause, int line) {
        throw Error(ErrorKind::BadFile,
                    "chat template " + name + ", line " + std::to_string(line) + ": " + oneLine(cause));
    };
    if (source.size() > jinja::limits::sourceBytes)
        bad("longer than " + std::to_string(jinja::limits::sourceBytes >> 20) + " MiB", 1);
    if (const size_t at = jinja::unicode::firstInvalid(source); at != std::string::npos)
        bad("not valid UTF-8 (byte " + std::to_string(at) + ")",
            1 + int(std::count(source.begin(), source.begin() + ptrdiff_t(at), '\n')));
    try {
        m_compiled.reset(new Compiled{source, name, jinja::parse(source)});
    } catch (const jinja::SyntaxFault& fault) {
        bad(fault.message, fault.line);
    } catch (const jinja::Fault& fault) {
        bad(fault.message, 1);
    }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const TemplateContext& context, std::chrono::local_seconds now) const
{
    jinja::Budget budget;
    int line = 0;
    try {
        if (!context.is_object() && !context.is_null())
            jinja::fail("the context is not an object");
        const auto variables = toDict(context, 0);
        jinja::Interpreter interpreter(*variables, now);
        try {
            return interpreter.render(m_compiled->block);
        } catch (...) {
            line = interpreter.line();
            throw;
        }
    } catch (const jinja::Raised& raised) {
        throw Error(ErrorKind::TemplateRaised, raised.message);
    } catch (const jinja::Fault& fault) {
        const std::string where = line > 0 ? ", line " + std::to_string(line) : std::string();
        throw Error(ErrorKind::BadRequest, "chat template " + m_compiled->name + where + ": " + oneLine(fault.message));
    }
}

const std::string& ChatTemplate::source() const
{
    return m_compiled->source;
}

} // namespace cortex::engine
