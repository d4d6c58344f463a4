// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/value.h"

#include <functional>

namespace cortex::engine::jinja {

/// range(start, stop, step): never more than limits::rangeLength long.
class Range : public Object {
public:
    Range(Int start, Int stop, Int step);
    std::string_view typeName() const override { return "range"; }
    void print(TextBuilder& out, unsigned depth) const override;
    std::optional<Value> item(const Value& index) const override;
    std::optional<std::vector<Value>> iterate() const override;
    std::optional<size_t> length() const override { return m_length; }
    bool equals(const Object& other) const override;

private:
    Int m_start;
    Int m_stop;
    Int m_step;
    size_t m_length;
};

/// What dict.keys(), values() and items() return.
class DictView : public Object {
public:
    enum class Part { Keys, Values, Items };
    DictView(std::shared_ptr<const Dict> dict, Part part)
        : m_dict(std::move(dict))
        , m_part(part)
    {
    }
    std::string_view typeName() const override;
    void print(TextBuilder& out, unsigned depth) const override;
    std::optional<std::vector<Value>> iterate() const override;
    std::optional<size_t> length() const override { return m_dict->entries().size(); }
    unsigned depth() const override { return m_dict->depth() + 1; }

private:
    std::shared_ptr<const Dict> m_dict;
    Part m_part;
};

/// What Python makes lazily (map, select, batch, …): always true, without length, and empty after one iteration. The
/// values are computed when it is made, since filters have no side effects but their errors.
class Generator : public Object {
public:
    explicit Generator(std::vector<Value> items);
    static Value make(std::vector<Value> items);
    std::string_view typeName() const override { return "generator"; }
    std::optional<std::vector<Value>> iterate() const override;
    unsigned depth() const override { return m_depth; }
    std::optional<Value> next() const;

private:
    const std::vector<Value> m_items;
    mutable size_t m_next = 0;
    unsigned m_depth;
    Charge m_charge;
};

/// namespace(...): the one thing a template can change. The interpreter keeps each until the end of the render and
/// empties it then, so cycles among them are no leak and chains of them no deep destruction.
class Namespace : public Object {
public:
    std::string_view typeName() const override { return "Namespace"; }
    std::string qualifiedName() const override { return "jinja2.utils.Namespace"; }
    void print(TextBuilder& out, unsigned depth) const override;
    std::optional<Value> attribute(std::string_view name) const override;
    void set(std::string_view name, Value value) const { m_attributes->set(Value(name), std::move(value)); }
    void clear() const { m_attributes.reset(); }

private:
    mutable std::unique_ptr<Dict> m_attributes = std::make_unique<Dict>();
};

/// A function of C++: a global or a bound method.
class Function : public Object {
public:
    using Body = std::function<Value(Interpreter&, Arguments&)>;
    Function(std::string name, Body body, unsigned depth = 1)
        : m_name(std::move(name))
        , m_body(std::move(body))
        , m_depth(depth)
    {
    }
    static Value make(std::string name, Body body, unsigned depth = 1)
    {
        return std::shared_ptr<const Object>(std::make_shared<Function>(std::move(name), std::move(body), depth));
    }
    std::string_view typeName() const override { return "function"; }
    bool callable() const override { return true; }
    Value call(Interpreter& interpreter, Arguments& arguments) const override { return m_body(interpreter, arguments); }
    unsigned depth() const override { return m_depth; }

private:
    std::string m_name;
    Body m_body;
    unsigned m_depth;
};

/// joiner(separator): nothing at the first call, the separator from then on.
class Joiner : public Object {
public:
    explicit Joiner(std::string separator)
        : m_separator(std::move(separator))
    {
    }
    std::string_view typeName() const override { return "Joiner"; }
    std::string qualifiedName() const override { return "jinja2.utils.Joiner"; }
    bool callable() const override { return true; }
    Value call(Interpreter& interpreter, Arguments& arguments) const override;

private:
    const std::string m_separator;
    mutable bool m_used = false;
};

/// cycler(...): next() hands out the items round and round.
class Cycler : public Object, public std::enable_shared_from_this<Cycler> {
public:
    explicit Cycler(std::vector<Value> items);
    std::string_view typeName() const override { return "Cycler"; }
    std::string qualifiedName() const override { return "jinja2.utils.Cycler"; }
    std::optional<Value> attribute(std::string_view name) const override;
    unsigned depth() const override { return m_depth; }

private:
    const std::vector<Value> m_items;
    mutable size_t m_at = 0;
    unsigned m_depth;
};

} // namespace cortex::engine::jinja
