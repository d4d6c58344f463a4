// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/budget.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace cortex::engine::jinja {

/// A Python int as far as 128 bits reach; arithmetic that leaves them is a Fault.
__extension__ typedef __int128 Int;

class Value;
class Interpreter;
class TextBuilder;
struct Arguments;

/// Jinja's Undefined: prints as nothing, is falsy and empty; any other use is a Fault with this message.
struct Undefined {
    std::string message;
};

/// A str. Immutable; `length` counts characters. `markup` marks text that is safe for HTML (escape, safe).
struct Text {
    Text(std::string text, bool isMarkup);
    const std::string bytes;
    const size_t length;
    const bool markup;
    const Charge charge;
};

/// A list or a tuple. Immutable once shared: templates run in Jinja's immutable sandbox.
struct Sequence {
    Sequence(std::vector<Value> values, bool isTuple, bool isGroup = false);
    const std::vector<Value> items;
    const bool tuple;
    const bool group; ///< groupby's named pair (grouper, list)
    const unsigned depth;
    const Charge charge;
};

/// A dict that keeps insertion order. Built with set(), not changed afterwards.
class Dict {
public:
    using Entry = std::pair<Value, Value>;
    Dict();
    ~Dict();
    /// Throws Fault for an unhashable key.
    const Value* find(const Value& key) const;
    const Value* find(std::string_view key) const;
    void set(Value key, Value value);
    const std::vector<Entry>& entries() const { return m_entries; }
    unsigned depth() const { return m_depth; }

private:
    template <typename Matches>
    size_t locate(size_t hash, Matches matches) const;

    std::vector<Entry> m_entries;
    std::unordered_multimap<size_t, size_t> m_index; ///< hash of the key to its entry
    unsigned m_depth = 1;
    Charge m_charge{0};
};

/// Every other kind of value: ranges, views, generators, namespaces, macros, functions, loop.
class Object {
public:
    virtual ~Object() = default;
    /// Python's type(x).__name__.
    virtual std::string_view typeName() const = 0;
    /// How Jinja's messages name an instance, without " object": "jinja2.utils.Namespace".
    virtual std::string qualifiedName() const { return std::string(typeName()); }
    virtual void print(TextBuilder& out, unsigned depth) const;
    virtual std::optional<Value> attribute(std::string_view name) const;
    virtual std::optional<Value> item(const Value& index) const;
    virtual bool callable() const { return false; }
    virtual Value call(Interpreter& interpreter, Arguments& arguments) const;
    /// The values that iteration yields; a generator is spent by it.
    virtual std::optional<std::vector<Value>> iterate() const;
    virtual std::optional<size_t> length() const { return std::nullopt; }
    /// Levels of containers below and with this one.
    virtual unsigned depth() const { return 1; }
    virtual bool equals(const Object& other) const { return this == &other; }
};

/// A Python value. Copies share what they hold.
class Value {
public:
    using Sequenced = std::shared_ptr<const Sequence>;
    using Mapped = std::shared_ptr<const Dict>;

    Value()
        : m_held(std::monostate())
    {
    } ///< None
    Value(bool value)
        : m_held(value)
    {
    }
    Value(Int value)
        : m_held(value)
    {
    }
    Value(int value)
        : m_held(Int(value))
    {
    }
    Value(size_t value)
        : m_held(Int(value))
    {
    }
    Value(double value)
        : m_held(value)
    {
    }
    Value(std::string text, bool markup = false)
        : m_held(std::make_shared<const Text>(std::move(text), markup))
    {
    }
    Value(std::string_view text)
        : Value(std::string(text))
    {
    }
    Value(const char* text)
        : Value(std::string(text))
    {
    }
    Value(std::shared_ptr<const Dict> dict)
        : m_held(std::move(dict))
    {
    }
    Value(std::shared_ptr<const Object> object)
        : m_held(std::move(object))
    {
    }
    static Value list(std::vector<Value> items);
    static Value tuple(std::vector<Value> items);
    static Value group(Value grouper, Value list);
    static Value undefined(std::string message);

    bool isUndefined() const { return std::holds_alternative<std::shared_ptr<const Undefined>>(m_held); }
    bool isNone() const { return std::holds_alternative<std::monostate>(m_held); }
    bool isBool() const { return std::holds_alternative<bool>(m_held); }
    bool isInt() const { return std::holds_alternative<Int>(m_held); }
    bool isFloat() const { return std::holds_alternative<double>(m_held); }
    bool isString() const { return text() != nullptr; }
    bool isList() const { return sequence() && !sequence()->tuple; }
    bool isTuple() const { return sequence() && sequence()->tuple; }
    bool isNumber() const { return isBool() || isInt() || isFloat(); }
    bool isIntegral() const { return isBool() || isInt(); }

    /// The parts, or nullptr.
    const Text* text() const { return pointer<Text>(); }
    const Sequence* sequence() const { return pointer<Sequence>(); }
    const Dict* dict() const { return pointer<Dict>(); }
    const Object* object() const { return pointer<Object>(); }
    std::shared_ptr<const Dict> sharedDict() const { return std::get<Mapped>(m_held); }
    std::shared_ptr<const Object> sharedObject() const { return std::get<std::shared_ptr<const Object>>(m_held); }
    template <typename T>
    const T* objectAs() const
    {
        return dynamic_cast<const T*>(object());
    }

    /// The value of a bool or int.
    Int integer() const { return isBool() ? Int(std::get<bool>(m_held)) : std::get<Int>(m_held); }
    /// The value of a bool, int or float.
    double number() const { return isFloat() ? std::get<double>(m_held) : double(integer()); }
    const std::string& bytes() const { return text()->bytes; }
    const std::string& undefinedMessage() const { return std::get<std::shared_ptr<const Undefined>>(m_held)->message; }

    /// Throws the Fault that using an undefined value is; returns for everything else.
    void requireDefined() const;

    /// Python's bool(x).
    bool truth() const;
    /// Python's type(x).__name__.
    std::string typeName() const;
    /// "dict object", as Jinja's messages name the owner of a missing attribute.
    std::string describe() const;
    /// Levels of containers within each other; 0 for scalars.
    unsigned depth() const;
    /// Python's str(x); an undefined value is empty.
    std::string str() const;
    void print(TextBuilder& out) const;
    std::string repr() const;
    /// Python's repr(x) appended; `depth` counts the levels around it.
    void printRepr(TextBuilder& out, unsigned depth) const;
    /// Throws Fault for what Python cannot hash.
    size_t hash() const;
    /// len(x), or nothing where Python raises.
    std::optional<size_t> length() const;
    /// The values of iter(x), or nothing where Python raises.
    std::optional<std::vector<Value>> iterate() const;
    /// As iterate(), where what cannot be iterated is a Fault.
    std::vector<Value> requireIterable() const;

    /// Python's ==.
    bool equals(const Value& other) const;

private:
    template <typename T>
    const T* pointer() const
    {
        const auto* held = std::get_if<std::shared_ptr<const T>>(&m_held);
        return held ? held->get() : nullptr;
    }

    std::variant<std::monostate, bool, Int, double, std::shared_ptr<const Undefined>, std::shared_ptr<const Text>,
                 Sequenced, Mapped, std::shared_ptr<const Object>>
        m_held;
};

/// The arguments of a call, evaluated.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;
};

/// Python's < between two values: negative, 0 or positive. Throws Fault where Python refuses, naming `operation`.
int compare(const Value& left, const Value& right, std::string_view operation);
/// A strict weak order by compare(), for floats too.
bool lessThan(const Value& left, const Value& right);

std::string toString(Int value);
/// Python's repr(float).
std::string toString(double value);
/// A character as Python escapes it: \xe9, \u20ac, \U0001f600.
void printEscaped(TextBuilder& out, char32_t code);
/// Python's repr(str).
void printQuoted(TextBuilder& out, std::string_view text);

} // namespace cortex::engine::jinja
