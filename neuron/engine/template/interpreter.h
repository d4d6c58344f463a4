// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/template/ast.h"
#include "neuron/engine/template/objects.h"

#include <chrono>

namespace cortex::engine::jinja {

/// The variables of one scope: a loop's pass, a macro's call, a block. Lookups go on in the parents.
struct Frame {
    explicit Frame(std::shared_ptr<Frame> outer)
        : parent(std::move(outer))
    {
    }
    const std::shared_ptr<Frame> parent;
    std::vector<std::pair<std::string_view, Value>> variables;
    bool captured = false; ///< a macro or a recursive loop refers to it

    void set(std::string_view name, Value value);
    const Value* find(std::string_view name) const; ///< here, not in the parents
};

/// Runs one template once, on one thread. Throws Fault; line() tells where.
class Interpreter {
public:
    /// All must outlive the interpreter. A Budget must be current.
    Interpreter(const Dict& context, std::chrono::local_seconds now);
    ~Interpreter();

    std::string render(const Block& block);
    /// The line of the node that ran last.
    int line() const { return m_line; }
    std::chrono::local_seconds now() const { return m_now; }

    // For filters, tests and functions.
    Value applyFilter(std::string_view name, const Value& input, const Arguments& arguments);
    bool applyTest(std::string_view name, const Value& input, const Arguments& arguments);
    Value call(const Value& callee, Arguments& arguments);
    /// owner.name: an attribute or method, else an item, else undefined.
    Value attribute(const Value& owner, std::string_view name);
    /// owner[index]: an item, else an attribute, else undefined.
    Value item(const Value& owner, const Value& index);
    /// A namespace kept until the render's end.
    std::shared_ptr<const Namespace> makeNamespace();

private:
    friend class Macro;
    friend class Loop;
    enum class Flow { Next, Break, Continue };
    class Level;
    class Scope;
    class Capture;

    // Expressions
    Value evaluate(const Expression& expr);
    Value eval(const Literal& node) { return node.value; }
    Value eval(const Name& node);
    Value eval(const SequenceDisplay& node);
    Value eval(const DictDisplay& node);
    Value eval(const Unary& node);
    Value eval(const Binary& node);
    Value eval(const Logical& node);
    Value eval(const Concatenation& node);
    Value eval(const Comparison& node);
    Value eval(const Conditional& node);
    Value eval(const FilterCall& node);
    Value eval(const TestCall& node);
    Value eval(const AttributeAccess& node);
    Value eval(const ItemAccess& node);
    Value eval(const SliceAccess& node);
    Value eval(const Call& node);
    Value evaluateOr(const ExpressionPtr& expr, Value whenAbsent) { return expr ? evaluate(*expr) : whenAbsent; }
    Arguments evaluate(const CallArguments& arguments);

    // Statements
    Flow run(const Block& block);
    Flow exec(const Data& node);
    Flow exec(const Print& node);
    Flow exec(const If& node);
    Flow exec(const For& node);
    Flow exec(const Set& node);
    Flow exec(const SetBlock& node);
    Flow exec(const MacroDefinition& node);
    Flow exec(const CallBlock& node);
    Flow exec(const FilterBlock& node);
    Flow exec(const With& node);
    Flow exec(const Generation& node);
    Flow exec(const Break&) { return Flow::Break; }
    Flow exec(const Continue&) { return Flow::Continue; }

    Flow loop(const For& node, std::vector<Value> items, unsigned depth);
    std::vector<Value> filtered(const For& node, const std::vector<Value>& items);
    void assign(const Target& target, const Value& value);
    Value applyBlockFilter(const Expression& filter, std::string text);
    Value makeMacro(const std::shared_ptr<const MacroBody>& body);
    void capture(const std::shared_ptr<Frame>& frame);
    const Value* variable(std::string_view name) const;

    const Dict& m_context;
    const std::chrono::local_seconds m_now;
    int m_line = 1;
    unsigned m_depth = 0;
    std::shared_ptr<Frame> m_frame;
    TextBuilder m_rootOutput;
    TextBuilder* m_output = &m_rootOutput;
    const Value* m_blockInput = nullptr; ///< what the innermost filter of a filter block reads
    std::vector<std::shared_ptr<const Namespace>> m_namespaces;
    std::vector<std::shared_ptr<Frame>> m_captured;
};

} // namespace cortex::engine::jinja
