// SPDX-License-Identifier: GPL-3.0-only
// The global functions, and the sorting of arguments to parameters.
#include "neuron/engine/template/library.h"
#include "neuron/engine/template/raised.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace cortex::engine::jinja {

Parameters::Parameters(std::string_view function, const Arguments& arguments,
                       std::initializer_list<std::string_view> names, size_t required)
    : m_function(function)
    , m_values(names.size())
{
    if (arguments.positional.size() > names.size())
        fail(m_function + "() takes at most " + std::to_string(names.size()) + " arguments ("
             + std::to_string(arguments.positional.size()) + " given)");
    std::copy(arguments.positional.begin(), arguments.positional.end(), m_values.begin());
    for (const auto& [key, value] : arguments.named) {
        const auto name = std::find(names.begin(), names.end(), key);
        if (name == names.end())
            fail(m_function + "() got an unexpected keyword argument " + Value(key).repr());
        auto& slot = m_values[size_t(name - names.begin())];
        if (slot)
            fail(m_function + "() got multiple values for argument " + Value(key).repr());
        slot = value;
    }
    for (size_t i = 0; i < required; ++i)
        if (!m_values[i])
            fail(m_function + "() missing required argument: " + Value(*(names.begin() + ptrdiff_t(i))).repr());
}

Value Parameters::get(size_t index, Value whenAbsent) const
{
    return m_values[index] ? *m_values[index] : std::move(whenAbsent);
}

bool Parameters::flag(size_t index, bool whenAbsent) const
{
    return m_values[index] ? m_values[index]->truth() : whenAbsent;
}

Int Parameters::integer(size_t index, Int whenAbsent) const
{
    if (!m_values[index])
        return whenAbsent;
    m_values[index]->requireDefined();
    if (!m_values[index]->isIntegral())
        fail("'" + m_values[index]->typeName() + "' object cannot be interpreted as an integer");
    return m_values[index]->integer();
}

std::string Parameters::text(size_t index, std::string_view whenAbsent) const
{
    if (!m_values[index])
        return std::string(whenAbsent);
    if (!m_values[index]->isString())
        fail(m_function + "() argument must be str, not " + m_values[index]->typeName());
    return m_values[index]->bytes();
}

namespace {

Value range(Interpreter&, Arguments& arguments)
{
    const Parameters p("range", arguments, {"start", "stop", "step"}, 1);
    const bool onlyStop = !p.find(1);
    const Int first = p.integer(0, 0);
    const Int start = onlyStop ? 0 : first;
    const Int stop = onlyStop ? first : p.integer(1, 0);
    return std::shared_ptr<const Object>(std::make_shared<Range>(start, stop, p.integer(2, 1)));
}

/// dict(mapping or pairs, **named)
std::shared_ptr<const Dict> makeDict(Arguments& arguments)
{
    if (arguments.positional.size() > 1)
        fail("dict expected at most 1 argument, got " + std::to_string(arguments.positional.size()));
    auto dict = std::make_shared<Dict>();
    for (const Value& source : arguments.positional) {
        if (source.dict()) {
            for (const auto& [key, value] : source.dict()->entries())
                dict->set(key, value);
            continue;
        }
        for (const Value& pair : source.requireIterable()) {
            const std::vector<Value> parts = pair.requireIterable();
            if (parts.size() != 2)
                fail("dictionary update sequence element has length " + std::to_string(parts.size())
                     + "; 2 is required");
            dict->set(parts[0], parts[1]);
        }
    }
    for (const auto& [key, value] : arguments.named)
        dict->set(Value(key), value);
    return dict;
}

Value dict(Interpreter&, Arguments& arguments)
{
    return makeDict(arguments);
}

Value makeNamespace(Interpreter& interpreter, Arguments& arguments)
{
    const auto initial = makeDict(arguments);
    const auto space = interpreter.makeNamespace();
    for (const auto& [key, value] : initial->entries()) {
        if (!key.isString())
            fail("a namespace's attributes must be strings");
        space->set(key.bytes(), value);
    }
    return std::shared_ptr<const Object>(space);
}

Value cycler(Interpreter&, Arguments& arguments)
{
    return std::shared_ptr<const Object>(std::make_shared<Cycler>(arguments.positional));
}

Value joiner(Interpreter&, Arguments& arguments)
{
    const Parameters p("joiner", arguments, {"sep"});
    return std::shared_ptr<const Object>(std::make_shared<Joiner>(p.get(0, ", ").str()));
}

Value raiseException(Interpreter&, Arguments& arguments)
{
    const Parameters p("raise_exception", arguments, {"message"}, 1);
    throw Raised{p.get(0).str()};
}

/// The C locale's strftime of the moment the caller gave, with %f and the padding flag that Python passes on to libc.
Value strftimeNow(Interpreter& interpreter, Arguments& arguments)
{
    const Parameters p("strftime_now", arguments, {"format"}, 1);
    const std::string format = p.text(0, "");
    const auto days = std::chrono::floor<std::chrono::days>(interpreter.now());
    const std::chrono::year_month_day date{days};
    const std::chrono::hh_mm_ss time{interpreter.now() - days};
    std::tm parts{};
    parts.tm_year = int(date.year()) - 1900;
    parts.tm_mon = int(unsigned(date.month())) - 1;
    parts.tm_mday = int(unsigned(date.day()));
    parts.tm_hour = int(time.hours().count());
    parts.tm_min = int(time.minutes().count());
    parts.tm_sec = int(time.seconds().count());
    parts.tm_wday = int(std::chrono::weekday{days}.c_encoding());
    parts.tm_yday = int((days - std::chrono::local_days{date.year() / std::chrono::January / 1}).count());
    parts.tm_isdst = -1;

    TextBuilder out;
    for (size_t at = 0; at < format.size();) {
        if (format[at] != '%' || at + 1 >= format.size()) {
            out << format[at++];
            continue;
        }
        const size_t flag = std::string_view("-_0^#").find(format[at + 1]) != std::string_view::npos ? 1 : 0;
        const std::string directive = format.substr(at, 2 + flag);
        at += directive.size();
        const char kind = directive.back();
        if (kind == 'f') {
            out << "000000";
        } else if (kind != 'z' && kind != 'Z') { // a naive time has no zone
            char buffer[128];
            out << std::string_view(buffer, std::strftime(buffer, sizeof buffer, directive.c_str(), &parts));
        }
    }
    return Value(out.take());
}

} // namespace

std::optional<Value> findGlobal(std::string_view name)
{
    static const std::pair<std::string_view, Value> globals[] = {
        {"range", Function::make("range", range)},
        {"dict", Function::make("dict", dict)},
        {"namespace", Function::make("namespace", makeNamespace)},
        {"cycler", Function::make("cycler", cycler)},
        {"joiner", Function::make("joiner", joiner)},
        {"raise_exception", Function::make("raise_exception", raiseException)},
        {"strftime_now", Function::make("strftime_now", strftimeNow)},
    };
    for (const auto& [known, function] : globals)
        if (known == name)
            return function;
    return std::nullopt;
}

} // namespace cortex::engine::jinja
