// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/interpreter.h"

#include "neuron/engine/template/library.h"
#include "neuron/engine/template/operators.h"

#include <algorithm>

namespace cortex::engine::jinja {

void Frame::set(std::string_view name, Value value)
{
    const auto it =
        std::find_if(variables.begin(), variables.end(), [&](const auto& entry) { return entry.first == name; });
    if (it != variables.end())
        it->second = std::move(value);
    else
        variables.emplace_back(name, std::move(value));
}

const Value* Frame::find(std::string_view name) const
{
    const auto it =
        std::find_if(variables.begin(), variables.end(), [&](const auto& entry) { return entry.first == name; });
    return it != variables.end() ? &it->second : nullptr;
}

/// Counts levels of evaluation, which are levels of the machine's stack.
class Interpreter::Level {
public:
    explicit Level(Interpreter& interpreter)
        : m_interpreter(interpreter)
    {
        if (m_interpreter.m_depth >= limits::evaluationDepth)
            fail("maximum recursion depth exceeded");
        ++m_interpreter.m_depth;
    }
    ~Level() { --m_interpreter.m_depth; }

private:
    Interpreter& m_interpreter;
};

/// A frame of its own while it lives, within `outer`.
class Interpreter::Scope {
public:
    Scope(Interpreter& interpreter, const std::shared_ptr<Frame>& outer)
        : m_interpreter(interpreter)
        , m_before(std::exchange(interpreter.m_frame, std::make_shared<Frame>(outer)))
    {
    }
    explicit Scope(Interpreter& interpreter)
        : Scope(interpreter, std::shared_ptr<Frame>(interpreter.m_frame))
    {
    }
    ~Scope() { m_interpreter.m_frame = m_before; }

private:
    Interpreter& m_interpreter;
    std::shared_ptr<Frame> m_before;
};

/// Collects the output while it lives.
class Interpreter::Capture {
public:
    explicit Capture(Interpreter& interpreter)
        : m_interpreter(interpreter)
        , m_before(std::exchange(interpreter.m_output, &m_output))
    {
    }
    ~Capture() { m_interpreter.m_output = m_before; }
    std::string take() { return m_output.take(); }

private:
    Interpreter& m_interpreter;
    TextBuilder* m_before;
    TextBuilder m_output;
};

/// A macro, or the caller of a call block, with the frame it was defined in.
class Macro : public Object {
public:
    Macro(std::shared_ptr<const MacroBody> body, std::shared_ptr<Frame> frame)
        : m_body(std::move(body))
        , m_frame(std::move(frame))
    {
    }
    std::string_view typeName() const override { return "Macro"; }
    std::string qualifiedName() const override { return "jinja2.runtime.Macro"; }
    bool callable() const override { return true; }
    void print(TextBuilder& out, unsigned) const override
    {
        out << "<Macro " << (m_body->name.empty() ? "anonymous" : Value(m_body->name).repr()) << '>';
    }
    std::optional<Value> attribute(std::string_view name) const override;
    Value call(Interpreter& interpreter, Arguments& arguments) const override;

private:
    void bind(Interpreter& interpreter, Arguments& arguments) const;
    void bindRest(Frame& frame, Arguments& arguments, size_t positional, const std::vector<bool>& used) const;

    const std::shared_ptr<const MacroBody> m_body;
    const std::shared_ptr<Frame> m_frame;
};

std::optional<Value> Macro::attribute(std::string_view name) const
{
    if (name == "name")
        return m_body->name.empty() ? Value() : Value(m_body->name);
    if (name == "catch_kwargs")
        return Value(m_body->usesKwargs);
    if (name == "catch_varargs")
        return Value(m_body->usesVarargs);
    if (name == "caller")
        return Value(m_body->usesCaller);
    if (name != "arguments")
        return std::nullopt;
    return Value::tuple(std::vector<Value>(m_body->parameters.begin(), m_body->parameters.end()));
}

Value Macro::call(Interpreter& interpreter, Arguments& arguments) const
{
    const Interpreter::Level level(interpreter);
    const int line = interpreter.m_line;
    const Interpreter::Scope scope(interpreter, m_frame);
    Interpreter::Capture output(interpreter);
    bind(interpreter, arguments);
    interpreter.run(m_body->body);
    interpreter.m_line = line;
    return Value(output.take());
}

void Macro::bind(Interpreter& interpreter, Arguments& arguments) const
{
    const auto& parameters = m_body->parameters;
    const size_t positional = std::min(parameters.size(), arguments.positional.size());
    const size_t firstDefault = parameters.size() - m_body->defaults.size();
    std::vector<bool> used(arguments.named.size());
    Frame& frame = *interpreter.m_frame;
    std::vector<size_t> missing;
    for (size_t i = 0; i < parameters.size(); ++i) {
        if (i < positional) {
            frame.set(parameters[i], arguments.positional[i]);
            continue;
        }
        const auto given = std::find_if(arguments.named.begin(), arguments.named.end(),
                                        [&](const auto& entry) { return entry.first == parameters[i]; });
        if (given != arguments.named.end()) {
            used[size_t(given - arguments.named.begin())] = true;
            frame.set(parameters[i], given->second);
        } else {
            frame.set(parameters[i], Value::undefined("parameter '" + parameters[i] + "' was not provided"));
            if (i >= firstDefault)
                missing.push_back(i);
        }
    }
    bindRest(frame, arguments, positional, used);
    for (const size_t i : missing)
        frame.set(parameters[i], interpreter.evaluate(*m_body->defaults[i - firstDefault]));
}

/// caller, varargs and kwargs; what the macro has no use for is refused.
void Macro::bindRest(Frame& frame, Arguments& arguments, size_t positional, const std::vector<bool>& used) const
{
    const std::string name = m_body->name.empty() ? "None" : Value(m_body->name).repr();
    auto kwargs = std::make_shared<Dict>();
    Value caller = Value::undefined("No caller defined");
    for (size_t i = 0; i < used.size(); ++i) {
        const auto& [key, value] = arguments.named[i];
        if (used[i])
            continue;
        if (key == "caller" && m_body->usesCaller)
            caller = value;
        else if (m_body->usesKwargs)
            kwargs->set(Value(key), value);
        else if (key == "caller")
            fail("macro " + name
                 + " was invoked with two values for the special caller argument. This is most likely a bug.");
        else
            fail("macro " + name + " takes no keyword argument " + Value(key).repr());
    }
    const auto isParameter = [&](std::string_view word) {
        return std::find(m_body->parameters.begin(), m_body->parameters.end(), word) != m_body->parameters.end();
    };
    if (m_body->usesCaller && !isParameter("caller"))
        frame.set("caller", std::move(caller));
    if (m_body->usesKwargs && !isParameter("kwargs"))
        frame.set("kwargs", std::shared_ptr<const Dict>(std::move(kwargs)));
    if (m_body->usesVarargs && !isParameter("varargs"))
        frame.set("varargs",
                  Value::tuple({arguments.positional.begin() + ptrdiff_t(positional), arguments.positional.end()}));
    else if (arguments.positional.size() > positional)
        fail("macro " + name + " takes not more than " + std::to_string(m_body->parameters.size()) + " argument(s)");
}

/// The variable `loop`.
class Loop : public Object, public std::enable_shared_from_this<Loop> {
public:
    Loop(const For& node, std::vector<Value> items, std::shared_ptr<Frame> frame, unsigned level)
        : m_items(Value::list(std::move(items)))
        , m_node(node)
        , m_frame(std::move(frame))
        , m_level(level)
    {
    }
    std::string_view typeName() const override { return "LoopContext"; }
    std::string qualifiedName() const override { return "jinja2.runtime.LoopContext"; }
    void print(TextBuilder& out, unsigned) const override
    {
        out << "<LoopContext " << std::to_string(m_at + 1) << '/' << std::to_string(items().size()) << '>';
    }
    std::optional<size_t> length() const override { return items().size(); }
    unsigned depth() const override { return m_items.depth() + 1; }
    bool callable() const override { return m_node.recursive; }
    Value call(Interpreter& interpreter, Arguments& arguments) const override;
    std::optional<Value> attribute(std::string_view name) const override;

    const std::vector<Value>& items() const { return m_items.sequence()->items; }
    void moveTo(size_t at) { m_at = at; }

private:
    Value cycle(const Arguments& arguments) const;
    Value changed(const Arguments& arguments) const;

    const Value m_items;
    const For& m_node;
    const std::shared_ptr<Frame> m_frame; ///< around the loop; held where it is recursive
    const unsigned m_level;
    size_t m_at = 0;
    mutable std::optional<std::vector<Value>> m_lastChecked; ///< by changed()
};

Value Loop::call(Interpreter& interpreter, Arguments& arguments) const
{
    if (!m_node.recursive)
        fail("The loop must have the 'recursive' marker to be called recursively.");
    const Parameters parameters("loop", arguments, {"iterable"}, 1);
    const Interpreter::Level level(interpreter);
    const auto before = std::exchange(interpreter.m_frame, m_frame);
    Interpreter::Capture output(interpreter);
    interpreter.loop(m_node, parameters.get(0).requireIterable(), m_level + 1);
    interpreter.m_frame = before;
    return Value(output.take());
}

Value Loop::cycle(const Arguments& arguments) const
{
    if (arguments.positional.empty())
        fail("no items for cycling given");
    return arguments.positional[m_at % arguments.positional.size()];
}

Value Loop::changed(const Arguments& arguments) const
{
    if (m_lastChecked && Value::tuple(*m_lastChecked).equals(Value::tuple(arguments.positional)))
        return false;
    m_lastChecked = arguments.positional;
    for (Value& value : *m_lastChecked)
        if (value.object())
            value = Value(value.str()); // an object kept here could hold this loop
    return true;
}

std::optional<Value> Loop::attribute(std::string_view name) const
{
    const size_t size = items().size();
    if (name == "index")
        return Value(m_at + 1);
    if (name == "index0")
        return Value(m_at);
    if (name == "revindex")
        return Value(size - m_at);
    if (name == "revindex0")
        return Value(size - m_at - 1);
    if (name == "first")
        return Value(m_at == 0);
    if (name == "last")
        return Value(m_at + 1 == size);
    if (name == "length")
        return Value(size);
    if (name == "depth")
        return Value(size_t(m_level) + 1);
    if (name == "depth0")
        return Value(size_t(m_level));
    if (name == "previtem")
        return m_at > 0 ? items()[m_at - 1] : Value::undefined("there is no previous item");
    if (name == "nextitem")
        return m_at + 1 < size ? items()[m_at + 1] : Value::undefined("there is no next item");
    if (name != "cycle" && name != "changed")
        return std::nullopt;
    const bool isCycle = name == "cycle";
    return Function::make(
        std::string(name),
        [self = shared_from_this(), isCycle](Interpreter&, Arguments& arguments) {
            return isCycle ? self->cycle(arguments) : self->changed(arguments);
        },
        depth() + 1);
}

Interpreter::Interpreter(const Dict& context, std::chrono::local_seconds now)
    : m_context(context)
    , m_now(now)
    , m_frame(std::make_shared<Frame>(nullptr))
{
}

Interpreter::~Interpreter()
{
    // Whatever can be part of a cycle is in one of these two lists; emptied one by one, nothing is destroyed deeply.
    for (const auto& entry : m_namespaces)
        entry->clear();
    for (const auto& frame : m_captured)
        frame->variables.clear();
}

std::string Interpreter::render(const Block& block)
{
    run(block);
    return m_rootOutput.take();
}

std::shared_ptr<const Namespace> Interpreter::makeNamespace()
{
    m_namespaces.push_back(std::make_shared<const Namespace>());
    return m_namespaces.back();
}

void Interpreter::capture(const std::shared_ptr<Frame>& frame)
{
    for (auto at = frame; at && !at->captured; at = at->parent) {
        at->captured = true;
        m_captured.push_back(at);
    }
}

const Value* Interpreter::variable(std::string_view name) const
{
    for (const Frame* frame = m_frame.get(); frame; frame = frame->parent.get())
        if (const Value* found = frame->find(name))
            return found;
    return m_context.find(name);
}

// ---- expressions

Value Interpreter::evaluate(const Expression& expr)
{
    const Level level(*this);
    workOn(0);
    m_line = expr.line;
    return std::visit([this](const auto& node) { return eval(node); }, expr.node);
}

Value Interpreter::eval(const Name& node)
{
    if (const Value* found = variable(node.name))
        return *found;
    if (auto global = findGlobal(node.name))
        return *global;
    return Value::undefined("'" + node.name + "' is undefined");
}

Value Interpreter::eval(const SequenceDisplay& node)
{
    std::vector<Value> items;
    items.reserve(node.items.size());
    for (const ExpressionPtr& item : node.items)
        items.push_back(evaluate(*item));
    return node.tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

Value Interpreter::eval(const DictDisplay& node)
{
    auto dict = std::make_shared<Dict>();
    for (const auto& [key, value] : node.entries) {
        Value evaluated = evaluate(*key);
        dict->set(std::move(evaluated), evaluate(*value));
    }
    return std::shared_ptr<const Dict>(std::move(dict));
}

Value Interpreter::eval(const Unary& node)
{
    return applyUnary(node.op, evaluate(*node.operand));
}

Value Interpreter::eval(const Binary& node)
{
    const Value left = evaluate(*node.left);
    return applyBinary(node.op, left, evaluate(*node.right));
}

Value Interpreter::eval(const Logical& node)
{
    Value left = evaluate(*node.left);
    return left.truth() == node.isAnd ? evaluate(*node.right) : left;
}

Value Interpreter::eval(const Concatenation& node)
{
    TextBuilder out;
    for (const ExpressionPtr& item : node.items)
        evaluate(*item).print(out);
    return Value(out.take());
}

Value Interpreter::eval(const Comparison& node)
{
    Value left = evaluate(*node.first);
    for (const auto& [op, expr] : node.rest) {
        Value right = evaluate(*expr);
        if (!applyComparison(op, left, right))
            return false;
        left = std::move(right);
    }
    return true;
}

Value Interpreter::eval(const Conditional& node)
{
    if (evaluate(*node.test).truth())
        return evaluate(*node.then);
    if (node.otherwise)
        return evaluate(*node.otherwise);
    return Value::undefined("the inline if-expression on line " + std::to_string(m_line)
                            + " evaluated to false and no else section was defined.");
}

Value Interpreter::eval(const FilterCall& node)
{
    const Value input = node.input ? evaluate(*node.input) : *m_blockInput;
    const Arguments arguments = evaluate(node.arguments);
    return applyFilter(node.name, input, arguments);
}

Value Interpreter::applyFilter(std::string_view name, const Value& input, const Arguments& arguments)
{
    const Filter filter = findFilter(name);
    if (!filter)
        fail("No filter named " + Value(name).repr() + ".");
    workOn(0);
    return filter(*this, input, arguments);
}

Value Interpreter::eval(const TestCall& node)
{
    const Value input = evaluate(*node.input);
    const Arguments arguments = evaluate(node.arguments);
    return applyTest(node.name, input, arguments) != node.negated;
}

bool Interpreter::applyTest(std::string_view name, const Value& input, const Arguments& arguments)
{
    const Test test = findTest(name);
    if (!test)
        fail("No test named " + Value(name).repr() + ".");
    workOn(0);
    return test(*this, input, arguments);
}

namespace {

bool isUnsafe(std::string_view name)
{
    return name.starts_with("__");
}

Value missingAttribute(const Value& owner, std::string_view name)
{
    if (isUnsafe(name))
        return Value::undefined("access to attribute " + Value(name).repr() + " of '" + owner.typeName()
                                + "' object is unsafe.");
    return Value::undefined("'" + owner.describe() + "' has no attribute " + Value(name.substr(0, 200)).repr());
}

std::optional<Value> ownAttribute(const Value& owner, std::string_view name)
{
    if (isUnsafe(name))
        return std::nullopt;
    return owner.object() ? owner.object()->attribute(name) : findMethod(owner, name);
}

} // namespace

Value Interpreter::attribute(const Value& owner, std::string_view name)
{
    owner.requireDefined();
    if (auto found = ownAttribute(owner, name))
        return *found;
    if (owner.dict())
        if (const Value* found = owner.dict()->find(name))
            return *found;
    return missingAttribute(owner, name);
}

Value Interpreter::item(const Value& owner, const Value& index)
{
    owner.requireDefined();
    if (auto found = subscript(owner, index))
        return *found;
    if (index.isString()) {
        if (auto found = ownAttribute(owner, index.bytes()))
            return *found;
        return missingAttribute(owner, index.bytes());
    }
    std::string shown = index.isUndefined() ? "Undefined" : index.repr();
    if (shown.size() > 200)
        shown = shown.substr(0, 200) + "…";
    return Value::undefined(owner.describe() + " has no element " + shown);
}

Value Interpreter::eval(const AttributeAccess& node)
{
    return attribute(evaluate(*node.owner), node.name);
}

Value Interpreter::eval(const ItemAccess& node)
{
    const Value owner = evaluate(*node.owner);
    return item(owner, evaluate(*node.index));
}

Value Interpreter::eval(const SliceAccess& node)
{
    const Value owner = evaluate(*node.owner);
    const Value start = evaluateOr(node.start, {});
    const Value stop = evaluateOr(node.stop, {});
    const Value step = evaluateOr(node.step, {});
    owner.requireDefined();
    if (auto found = slice(owner, start, stop, step))
        return *found;
    return Value::undefined(owner.describe() + " has no element slice(" + start.repr().substr(0, 40) + ", "
                            + stop.repr().substr(0, 40) + ", " + step.repr().substr(0, 40) + ")");
}

Arguments Interpreter::evaluate(const CallArguments& arguments)
{
    Arguments result;
    for (const ExpressionPtr& expr : arguments.positional)
        result.positional.push_back(evaluate(*expr));
    for (const auto& [name, expr] : arguments.named)
        result.named.emplace_back(name, evaluate(*expr));
    if (arguments.star) {
        const std::vector<Value> more = evaluate(*arguments.star).requireIterable();
        result.positional.insert(result.positional.end(), more.begin(), more.end());
    }
    if (arguments.doubleStar) {
        const Value more = evaluate(*arguments.doubleStar);
        if (!more.dict())
            fail("argument after ** must be a mapping, not " + more.typeName());
        for (const auto& [key, value] : more.dict()->entries()) {
            if (!key.isString())
                fail("keywords must be strings");
            result.named.emplace_back(key.bytes(), value);
        }
    }
    return result;
}

Value Interpreter::eval(const Call& node)
{
    const Value callee = evaluate(*node.callee);
    Arguments arguments = evaluate(node.arguments);
    return call(callee, arguments);
}

Value Interpreter::call(const Value& callee, Arguments& arguments)
{
    callee.requireDefined();
    if (!callee.object())
        fail("'" + callee.typeName() + "' object is not callable");
    return callee.object()->call(*this, arguments);
}

// ---- statements

Interpreter::Flow Interpreter::run(const Block& block)
{
    const Level level(*this);
    for (const Statement& statement : block) {
        workOn(0);
        m_line = statement.line;
        const Flow flow = std::visit([this](const auto& node) { return exec(node); }, statement.node);
        if (flow != Flow::Next)
            return flow;
    }
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const Data& node)
{
    *m_output << node.text;
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const Print& node)
{
    evaluate(*node.value).print(*m_output);
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const If& node)
{
    for (const auto& [test, body] : node.branches)
        if (evaluate(*test).truth())
            return run(body);
    return run(node.otherwise);
}

Interpreter::Flow Interpreter::exec(const For& node)
{
    const std::vector<Value> items = evaluate(*node.iterable).requireIterable();
    if (node.recursive)
        capture(m_frame);
    return loop(node, items, 0);
}

std::vector<Value> Interpreter::filtered(const For& node, const std::vector<Value>& items)
{
    std::vector<Value> kept;
    for (const Value& item : items) {
        const Scope scope(*this);
        assign(node.target, item);
        if (evaluate(*node.filter).truth())
            kept.push_back(item);
    }
    return kept;
}

/// The else block is for a loop none of whose passes reached its end: one that broke off or went on early did not. It
/// stands outside the loop, so that its own break and continue are for the loop around it, and are returned.
Interpreter::Flow Interpreter::loop(const For& node, std::vector<Value> items, unsigned depth)
{
    if (node.filter)
        items = filtered(node, items);
    const auto state = std::make_shared<Loop>(node, std::move(items), node.recursive ? m_frame : nullptr, depth);
    bool completed = false;
    for (size_t i = 0; i < state->items().size(); ++i) {
        const Scope scope(*this);
        state->moveTo(i);
        m_frame->set("loop", std::shared_ptr<const Object>(state));
        assign(node.target, state->items()[i]);
        const Flow flow = run(node.body);
        if (flow == Flow::Break)
            break;
        completed = completed || flow == Flow::Next;
    }
    if (completed)
        return Flow::Next;
    const Scope scope(*this);
    return run(node.otherwise);
}

void Interpreter::assign(const Target& target, const Value& value)
{
    if (target.isTuple) {
        const auto items = value.iterate();
        if (!items)
            fail("cannot unpack non-iterable " + value.typeName() + " object");
        const size_t expected = target.items.size();
        if (items->size() < expected)
            fail("not enough values to unpack (expected " + std::to_string(expected) + ", got "
                 + std::to_string(items->size()) + ")");
        if (items->size() > expected)
            fail("too many values to unpack (expected " + std::to_string(expected) + ")");
        for (size_t i = 0; i < expected; ++i)
            assign(target.items[i], (*items)[i]);
        return;
    }
    if (target.attribute.empty()) {
        m_frame->set(target.name, value);
        return;
    }
    const Value* owner = variable(target.name);
    const auto* space = owner ? owner->objectAs<Namespace>() : nullptr;
    if (!space)
        fail("cannot assign attribute on non-namespace object");
    space->set(target.attribute, value);
}

Interpreter::Flow Interpreter::exec(const Set& node)
{
    assign(node.target, evaluate(*node.value));
    return Flow::Next;
}

Value Interpreter::applyBlockFilter(const Expression& filter, std::string text)
{
    const Value input(std::move(text));
    const Value* before = std::exchange(m_blockInput, &input);
    Value result = evaluate(filter);
    m_blockInput = before;
    return result;
}

Interpreter::Flow Interpreter::exec(const SetBlock& node)
{
    Value value;
    {
        const Scope scope(*this);
        Capture output(*this);
        if (const Flow flow = run(node.body); flow != Flow::Next)
            return flow;
        std::string text = output.take();
        value = node.filter ? applyBlockFilter(*node.filter, std::move(text)) : Value(std::move(text));
    }
    assign(node.target, value);
    return Flow::Next;
}

Value Interpreter::makeMacro(const std::shared_ptr<const MacroBody>& body)
{
    capture(m_frame);
    return std::shared_ptr<const Object>(std::make_shared<Macro>(body, m_frame));
}

Interpreter::Flow Interpreter::exec(const MacroDefinition& node)
{
    m_frame->set(node.macro->name, makeMacro(node.macro));
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const CallBlock& node)
{
    const auto& call = std::get<Call>(node.call->node);
    const Value callee = evaluate(*call.callee);
    Arguments arguments = evaluate(call.arguments);
    arguments.named.emplace_back("caller", makeMacro(node.caller));
    this->call(callee, arguments).print(*m_output);
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const FilterBlock& node)
{
    const Scope scope(*this);
    std::string text;
    {
        Capture output(*this);
        if (const Flow flow = run(node.body); flow != Flow::Next)
            return flow;
        text = output.take();
    }
    applyBlockFilter(*node.filter, std::move(text)).print(*m_output);
    return Flow::Next;
}

Interpreter::Flow Interpreter::exec(const With& node)
{
    std::vector<Value> values;
    for (const auto& [target, expr] : node.variables)
        values.push_back(evaluate(*expr));
    const Scope scope(*this);
    for (size_t i = 0; i < values.size(); ++i)
        assign(node.variables[i].first, values[i]);
    return run(node.body);
}

/// Marks what the model itself said; the text is the same. A scope of its own, as Hugging Face's extension makes it.
Interpreter::Flow Interpreter::exec(const Generation& node)
{
    const Scope scope(*this);
    return run(node.body);
}

} // namespace cortex::engine::jinja
