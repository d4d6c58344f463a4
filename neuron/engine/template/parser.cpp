// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/parser.h"

#include "neuron/engine/template/lexer.h"

#include <algorithm>
#include <initializer_list>

namespace cortex::engine::jinja {

namespace {

using Words = std::initializer_list<std::string_view>;

bool contains(Words words, std::string_view word)
{
    return std::find(words.begin(), words.end(), word) != words.end();
}

class Parser {
public:
    explicit Parser(std::vector<Token> tokens)
        : m_tokens(std::move(tokens))
    {
    }
    Block run() { return block({}); }

private:
    /// Counts levels of recursion while it lives.
    class Level {
    public:
        Level(Parser& parser, unsigned& depth, unsigned limit, const char* what)
            : m_depth(depth)
        {
            if (m_depth >= limit)
                parser.bad(std::string(what) + " are nested more than " + std::to_string(limit) + " deep");
            ++m_depth;
        }
        ~Level() { --m_depth; }

    private:
        unsigned& m_depth;
    };

    // Statements
    Block block(Words until);
    Statement statement();
    Statement ifStatement();
    Statement forStatement();
    Statement setStatement();
    Statement macroStatement();
    Statement callStatement();
    Statement filterStatement();
    Statement withStatement();
    Statement generationStatement();
    Statement loopControl(bool isBreak);
    void signature(MacroBody& macro);
    Block macroBlock(MacroBody& macro, std::string_view end);
    void endBlock(std::string_view end);
    Target target(bool withNamespace, Words end);
    Target singleTarget(bool withNamespace);

    // Expressions, loosest binding first
    ExpressionPtr expression();
    ExpressionPtr tuple(bool conditional, bool emptyAllowed = false, Words end = {});
    ExpressionPtr conditional();
    ExpressionPtr disjunction();
    ExpressionPtr conjunction();
    ExpressionPtr negation();
    ExpressionPtr comparison();
    ExpressionPtr sum();
    ExpressionPtr concatenation();
    ExpressionPtr product();
    ExpressionPtr power();
    ExpressionPtr unary(bool withFilter = true);
    ExpressionPtr primary();
    ExpressionPtr name();
    ExpressionPtr listDisplay();
    ExpressionPtr dictDisplay();
    ExpressionPtr postfix(ExpressionPtr expr);
    ExpressionPtr filtersAndTests(ExpressionPtr expr);
    ExpressionPtr filters(ExpressionPtr input, bool isFirst);
    ExpressionPtr test(ExpressionPtr input);
    ExpressionPtr subscript(ExpressionPtr owner);
    ExpressionPtr bracket(ExpressionPtr owner);
    ExpressionPtr call(ExpressionPtr callee);
    CallArguments callArguments();
    std::string dottedName();

    // Tokens
    const Token& current() const { return m_tokens[m_at]; }
    const Token& ahead() const { return m_tokens[std::min(m_at + 1, m_tokens.size() - 1)]; }
    Token next();
    bool skipOperator(std::string_view op);
    bool skipName(std::string_view name);
    void expectOperator(std::string_view op);
    void expectName(std::string_view name);
    std::string expectAnyName();
    void expect(TokenKind kind, const char* what);
    bool endsTuple(Words end) const;
    [[noreturn]] void bad(const std::string& message) const { throw SyntaxFault{message, current().line}; }
    [[noreturn]] void unexpected(const std::string& expected) const
    {
        bad("expected token '" + expected + "', got '" + current().describe() + "'");
    }

    template <typename Node, typename... Children>
    ExpressionPtr make(int line, Node node, const Children&... children);

    std::vector<Token> m_tokens;
    size_t m_at = 0;
    unsigned m_expressionDepth = 0;
    unsigned m_statementDepth = 0;
    unsigned m_loops = 0; ///< loops around the current place, within its macro
    std::vector<MacroBody*> m_macros;
};

unsigned depthOf(unsigned depth)
{
    return depth;
}
unsigned depthOf(const ExpressionPtr& expr)
{
    return expr ? expr->depth : 0;
}

unsigned deepest(const std::vector<ExpressionPtr>& items)
{
    unsigned depth = 0;
    for (const ExpressionPtr& item : items)
        depth = std::max(depth, depthOf(item));
    return depth;
}

unsigned deepest(const CallArguments& arguments)
{
    unsigned depth = std::max({deepest(arguments.positional), depthOf(arguments.star), depthOf(arguments.doubleStar)});
    for (const auto& [name, value] : arguments.named)
        depth = std::max(depth, depthOf(value));
    return depth;
}

template <typename Node, typename... Children>
ExpressionPtr Parser::make(int line, Node node, const Children&... children)
{
    const unsigned depth = 1 + std::max({0u, depthOf(children)...});
    if (depth > limits::expressionDepth)
        bad("expressions are nested more than " + std::to_string(limits::expressionDepth) + " deep");
    return ExpressionPtr(new Expression{line, depth, std::move(node)});
}

// ---- tokens

Token Parser::next()
{
    Token token = current();
    if (m_at + 1 < m_tokens.size())
        ++m_at;
    return token;
}

bool Parser::skipOperator(std::string_view op)
{
    if (!current().isOperator(op))
        return false;
    next();
    return true;
}

bool Parser::skipName(std::string_view name)
{
    if (!current().isName(name))
        return false;
    next();
    return true;
}

void Parser::expectOperator(std::string_view op)
{
    if (!skipOperator(op))
        unexpected(std::string(op));
}

void Parser::expectName(std::string_view name)
{
    if (!skipName(name))
        unexpected(std::string(name));
}

std::string Parser::expectAnyName()
{
    if (current().kind != TokenKind::Name)
        unexpected("name");
    return next().text;
}

void Parser::expect(TokenKind kind, const char* what)
{
    if (current().kind != kind)
        unexpected(what);
    next();
}

// ---- statements

/// Statements until a tag named by one of `until` (its name is the current token then), or until the template's end.
Block Parser::block(Words until)
{
    const Level level(*this, m_statementDepth, limits::statementDepth, "blocks");
    Block body;
    for (;;) {
        const int line = current().line;
        switch (current().kind) {
        case TokenKind::Data:
            body.push_back({line, Data{next().text}});
            break;
        case TokenKind::VariableBegin: {
            next();
            ExpressionPtr value = tuple(true);
            expect(TokenKind::VariableEnd, "end of print statement");
            body.push_back({line, Print{std::move(value)}});
            break;
        }
        case TokenKind::BlockBegin:
            next();
            if (current().kind == TokenKind::Name && contains(until, current().text))
                return body;
            body.push_back(statement());
            expect(TokenKind::BlockEnd, "end of statement block");
            break;
        default:
            if (until.size() == 0)
                return body;
            bad("Unexpected end of template. The innermost block that needs to be closed awaits '"
                + std::string(*(until.end() - 1)) + "'");
        }
    }
}

/// Leaves `end`, the current token; what follows the tag's name is checked by the caller of statement().
void Parser::endBlock(std::string_view end)
{
    expectName(end);
}

Statement Parser::statement()
{
    if (current().kind != TokenKind::Name)
        bad("tag name expected");
    const std::string tag = current().text;
    if (tag == "if")
        return ifStatement();
    if (tag == "for")
        return forStatement();
    if (tag == "set")
        return setStatement();
    if (tag == "macro")
        return macroStatement();
    if (tag == "call")
        return callStatement();
    if (tag == "filter")
        return filterStatement();
    if (tag == "with")
        return withStatement();
    if (tag == "generation")
        return generationStatement();
    if (tag == "break" || tag == "continue")
        return loopControl(tag == "break");
    if (contains({"include", "import", "from", "extends", "block", "autoescape"}, tag))
        bad("'" + tag + "' is not available: a chat template is one file that renders plain text");
    bad("Encountered unknown tag '" + tag.substr(0, 80) + "'.");
}

Statement Parser::ifStatement()
{
    If node;
    const int line = next().line;
    for (;;) {
        ExpressionPtr test = tuple(false);
        skipOperator(":");
        expect(TokenKind::BlockEnd, "end of statement block");
        Block body = block({"elif", "else", "endif"});
        node.branches.emplace_back(std::move(test), std::move(body));
        if (!skipName("elif"))
            break;
    }
    if (skipName("else")) {
        skipOperator(":");
        expect(TokenKind::BlockEnd, "end of statement block");
        node.otherwise = block({"endif"});
    }
    endBlock("endif");
    return {line, std::move(node)};
}

Statement Parser::forStatement()
{
    For node;
    const int line = next().line;
    node.target = target(false, {"in"});
    expectName("in");
    node.iterable = tuple(false, false, {"recursive"});
    if (skipName("if"))
        node.filter = expression();
    node.recursive = skipName("recursive");
    skipOperator(":");
    expect(TokenKind::BlockEnd, "end of statement block");
    ++m_loops;
    node.body = block({"else", "endfor"});
    --m_loops;
    if (skipName("else")) {
        skipOperator(":");
        expect(TokenKind::BlockEnd, "end of statement block");
        // Outside this loop; and a recursive one is a function, out of which there is no way into the loop around.
        const unsigned loops = std::exchange(m_loops, node.recursive ? 0 : m_loops);
        node.otherwise = block({"endfor"});
        m_loops = loops;
    }
    endBlock("endfor");
    return {line, std::move(node)};
}

Statement Parser::setStatement()
{
    const int line = next().line;
    Target to = target(true, {});
    if (skipOperator("="))
        return {line, Set{std::move(to), tuple(true)}};
    SetBlock node{std::move(to), nullptr, {}};
    if (current().isOperator("|"))
        node.filter = filters(nullptr, false);
    expect(TokenKind::BlockEnd, "end of statement block");
    node.body = block({"endset"});
    endBlock("endset");
    return {line, std::move(node)};
}

void Parser::signature(MacroBody& macro)
{
    expectOperator("(");
    while (!current().isOperator(")")) {
        if (!macro.parameters.empty())
            expectOperator(",");
        if (current().isOperator(")"))
            break;
        macro.parameters.push_back(singleTarget(false).name);
        if (skipOperator("="))
            macro.defaults.push_back(expression());
        else if (!macro.defaults.empty())
            bad("non-default argument follows default argument");
    }
    expectOperator(")");
}

Block Parser::macroBlock(MacroBody& macro, std::string_view end)
{
    expect(TokenKind::BlockEnd, "end of statement block");
    const unsigned loops = std::exchange(m_loops, 0);
    m_macros.push_back(&macro);
    Block body = block({end});
    m_macros.pop_back();
    m_loops = loops;
    endBlock(end);
    return body;
}

Statement Parser::macroStatement()
{
    const int line = next().line;
    auto macro = std::make_shared<MacroBody>();
    macro->name = singleTarget(false).name;
    signature(*macro);
    macro->body = macroBlock(*macro, "endmacro");
    return {line, MacroDefinition{std::move(macro)}};
}

Statement Parser::callStatement()
{
    const int line = next().line;
    auto caller = std::make_shared<MacroBody>();
    if (current().isOperator("("))
        signature(*caller);
    ExpressionPtr expr = expression();
    if (!std::holds_alternative<Call>(expr->node))
        bad("expected call");
    caller->body = macroBlock(*caller, "endcall");
    return {line, CallBlock{std::move(expr), std::move(caller)}};
}

Statement Parser::filterStatement()
{
    const int line = next().line;
    FilterBlock node{filters(nullptr, true), {}};
    expect(TokenKind::BlockEnd, "end of statement block");
    node.body = block({"endfilter"});
    endBlock("endfilter");
    return {line, std::move(node)};
}

Statement Parser::withStatement()
{
    With node;
    const int line = next().line;
    while (current().kind != TokenKind::BlockEnd) {
        if (!node.variables.empty())
            expectOperator(",");
        Target to = target(false, {"="});
        expectOperator("=");
        node.variables.emplace_back(std::move(to), expression());
    }
    expect(TokenKind::BlockEnd, "end of statement block");
    node.body = block({"endwith"});
    endBlock("endwith");
    return {line, std::move(node)};
}

Statement Parser::generationStatement()
{
    const int line = next().line;
    expect(TokenKind::BlockEnd, "end of statement block");
    const unsigned loops = std::exchange(m_loops, 0);
    Generation node{block({"endgeneration"})};
    m_loops = loops;
    endBlock("endgeneration");
    return {line, std::move(node)};
}

Statement Parser::loopControl(bool isBreak)
{
    const Token tag = next();
    if (m_loops == 0)
        bad("'" + tag.text + "' outside loop");
    if (isBreak)
        return {tag.line, Break{}};
    return {tag.line, Continue{}};
}

Target Parser::singleTarget(bool withNamespace)
{
    const Level level(*this, m_expressionDepth, limits::expressionDepth, "targets");
    if (skipOperator("(")) {
        Target inner = target(withNamespace, {});
        expectOperator(")");
        return inner;
    }
    Target to;
    to.name = expectAnyName();
    if (contains({"true", "false", "none", "True", "False", "None"}, to.name))
        bad("can't assign to '" + to.name + "'");
    if (withNamespace && skipOperator("."))
        to.attribute = expectAnyName();
    return to;
}

/// One target, or several with commas between them.
Target Parser::target(bool withNamespace, Words end)
{
    Target first = singleTarget(withNamespace);
    if (!current().isOperator(","))
        return first;
    Target all;
    all.isTuple = true;
    all.items.push_back(std::move(first));
    while (skipOperator(",")) {
        if (endsTuple(end))
            break;
        all.items.push_back(singleTarget(withNamespace));
    }
    return all;
}

// ---- expressions

bool Parser::endsTuple(Words end) const
{
    const Token& token = current();
    return token.kind == TokenKind::VariableEnd || token.kind == TokenKind::BlockEnd || token.isOperator(")")
        || (token.kind == TokenKind::Name && contains(end, token.text));
}

ExpressionPtr Parser::expression()
{
    const Level level(*this, m_expressionDepth, limits::expressionDepth, "expressions");
    return conditional();
}

/// One expression, or a tuple of several with commas between them. `emptyAllowed` within parentheses.
ExpressionPtr Parser::tuple(bool withConditional, bool emptyAllowed, Words end)
{
    const Level level(*this, m_expressionDepth, limits::expressionDepth, "expressions");
    const int line = current().line;
    std::vector<ExpressionPtr> items;
    bool isTuple = false;
    for (;;) {
        if (!items.empty())
            expectOperator(",");
        if (endsTuple(end))
            break;
        items.push_back(withConditional ? conditional() : disjunction());
        if (!current().isOperator(","))
            break;
        isTuple = true;
    }
    if (!isTuple) {
        if (!items.empty())
            return std::move(items.front());
        if (!emptyAllowed)
            bad("Expected an expression, got '" + current().describe() + "'");
    }
    const unsigned depth = deepest(items);
    return make(line, SequenceDisplay{true, std::move(items)}, depth);
}

ExpressionPtr Parser::conditional()
{
    const int line = current().line;
    ExpressionPtr value = disjunction();
    while (skipName("if")) {
        ExpressionPtr test = disjunction();
        ExpressionPtr otherwise;
        if (skipName("else")) {
            const Level level(*this, m_expressionDepth, limits::expressionDepth, "expressions");
            otherwise = conditional();
        }
        const unsigned depth = std::max({depthOf(test), depthOf(value), depthOf(otherwise)});
        value = make(line, Conditional{std::move(test), std::move(value), std::move(otherwise)}, depth);
    }
    return value;
}

ExpressionPtr Parser::disjunction()
{
    const int line = current().line;
    ExpressionPtr left = conjunction();
    while (skipName("or")) {
        ExpressionPtr right = conjunction();
        const unsigned depth = std::max(depthOf(left), depthOf(right));
        left = make(line, Logical{false, std::move(left), std::move(right)}, depth);
    }
    return left;
}

ExpressionPtr Parser::conjunction()
{
    const int line = current().line;
    ExpressionPtr left = negation();
    while (skipName("and")) {
        ExpressionPtr right = negation();
        const unsigned depth = std::max(depthOf(left), depthOf(right));
        left = make(line, Logical{true, std::move(left), std::move(right)}, depth);
    }
    return left;
}

ExpressionPtr Parser::negation()
{
    const int line = current().line;
    if (!skipName("not"))
        return comparison();
    const Level level(*this, m_expressionDepth, limits::expressionDepth, "expressions");
    ExpressionPtr operand = negation();
    const unsigned depth = depthOf(operand);
    return make(line, Unary{UnaryOperator::Not, std::move(operand)}, depth);
}

ExpressionPtr Parser::comparison()
{
    using Op = ComparisonOperator;
    static constexpr std::pair<std::string_view, Op> symbols[] = {{"==", Op::Equal},  {"!=", Op::NotEqual},
                                                                  {"<", Op::Less},    {"<=", Op::LessEqual},
                                                                  {">", Op::Greater}, {">=", Op::GreaterEqual}};
    const int line = current().line;
    Comparison node;
    node.first = sum();
    unsigned depth = depthOf(node.first);
    for (;;) {
        Op op;
        const auto symbol = std::find_if(std::begin(symbols), std::end(symbols),
                                         [&](const auto& entry) { return current().isOperator(entry.first); });
        if (symbol != std::end(symbols)) {
            op = symbol->second;
            next();
        } else if (skipName("in")) {
            op = Op::In;
        } else if (current().isName("not") && ahead().isName("in")) {
            next();
            next();
            op = Op::NotIn;
        } else {
            break;
        }
        node.rest.emplace_back(op, sum());
        depth = std::max(depth, depthOf(node.rest.back().second));
    }
    if (node.rest.empty())
        return std::move(node.first);
    return make(line, std::move(node), depth);
}

ExpressionPtr Parser::sum()
{
    ExpressionPtr left = concatenation();
    while (current().isOperator("+") || current().isOperator("-")) {
        const Token op = next();
        ExpressionPtr right = concatenation();
        const unsigned depth = std::max(depthOf(left), depthOf(right));
        const auto kind = op.text == "+" ? BinaryOperator::Add : BinaryOperator::Subtract;
        left = make(op.line, Binary{kind, std::move(left), std::move(right)}, depth);
    }
    return left;
}

ExpressionPtr Parser::concatenation()
{
    const int line = current().line;
    std::vector<ExpressionPtr> items;
    items.push_back(product());
    while (skipOperator("~"))
        items.push_back(product());
    if (items.size() == 1)
        return std::move(items.front());
    const unsigned depth = deepest(items);
    return make(line, Concatenation{std::move(items)}, depth);
}

ExpressionPtr Parser::product()
{
    static constexpr std::pair<std::string_view, BinaryOperator> symbols[] = {{"*", BinaryOperator::Multiply},
                                                                              {"/", BinaryOperator::Divide},
                                                                              {"//", BinaryOperator::FloorDivide},
                                                                              {"%", BinaryOperator::Modulo}};
    ExpressionPtr left = power();
    for (;;) {
        const auto symbol = std::find_if(std::begin(symbols), std::end(symbols),
                                         [&](const auto& entry) { return current().isOperator(entry.first); });
        if (symbol == std::end(symbols))
            return left;
        const int line = next().line;
        ExpressionPtr right = power();
        const unsigned depth = std::max(depthOf(left), depthOf(right));
        left = make(line, Binary{symbol->second, std::move(left), std::move(right)}, depth);
    }
}

/// Associates to the left, as Jinja has it (and unlike Python).
ExpressionPtr Parser::power()
{
    ExpressionPtr left = unary();
    while (current().isOperator("**")) {
        const int line = next().line;
        ExpressionPtr right = unary();
        const unsigned depth = std::max(depthOf(left), depthOf(right));
        left = make(line, Binary{BinaryOperator::Power, std::move(left), std::move(right)}, depth);
    }
    return left;
}

ExpressionPtr Parser::unary(bool withFilter)
{
    const Level level(*this, m_expressionDepth, limits::expressionDepth, "expressions");
    ExpressionPtr expr;
    if (current().isOperator("-") || current().isOperator("+")) {
        const Token op = next();
        ExpressionPtr operand = unary(false);
        const unsigned depth = depthOf(operand);
        const auto kind = op.text == "-" ? UnaryOperator::Negate : UnaryOperator::Plus;
        expr = make(op.line, Unary{kind, std::move(operand)}, depth);
    } else {
        expr = primary();
    }
    expr = postfix(std::move(expr));
    return withFilter ? filtersAndTests(std::move(expr)) : std::move(expr);
}

ExpressionPtr Parser::primary()
{
    const int line = current().line;
    switch (current().kind) {
    case TokenKind::Name:
        return name();
    case TokenKind::String: {
        std::string text = next().text;
        while (current().kind == TokenKind::String)
            text += next().text;
        return make(line, Literal{Value(std::move(text))});
    }
    case TokenKind::Integer:
    case TokenKind::Float:
        return make(line, Literal{next().number});
    default:
        break;
    }
    if (skipOperator("(")) {
        ExpressionPtr inner = tuple(true, true);
        expectOperator(")");
        return inner;
    }
    if (current().isOperator("["))
        return listDisplay();
    if (current().isOperator("{"))
        return dictDisplay();
    bad("unexpected '" + current().describe() + "'");
}

ExpressionPtr Parser::name()
{
    const Token token = next();
    if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False")
        return make(token.line, Literal{Value(token.text == "true" || token.text == "True")});
    if (token.text == "none" || token.text == "None")
        return make(token.line, Literal{Value()});
    for (MacroBody* macro : m_macros) {
        macro->usesCaller |= token.text == "caller";
        macro->usesVarargs |= token.text == "varargs";
        macro->usesKwargs |= token.text == "kwargs";
    }
    return make(token.line, Name{token.text});
}

ExpressionPtr Parser::listDisplay()
{
    const int line = next().line;
    SequenceDisplay node{false, {}};
    while (!current().isOperator("]")) {
        if (!node.items.empty())
            expectOperator(",");
        if (current().isOperator("]"))
            break;
        node.items.push_back(expression());
    }
    expectOperator("]");
    const unsigned depth = deepest(node.items);
    return make(line, std::move(node), depth);
}

ExpressionPtr Parser::dictDisplay()
{
    const int line = next().line;
    DictDisplay node;
    unsigned depth = 0;
    while (!current().isOperator("}")) {
        if (!node.entries.empty())
            expectOperator(",");
        if (current().isOperator("}"))
            break;
        ExpressionPtr key = expression();
        expectOperator(":");
        node.entries.emplace_back(std::move(key), expression());
        depth = std::max({depth, depthOf(node.entries.back().first), depthOf(node.entries.back().second)});
    }
    expectOperator("}");
    return make(line, std::move(node), depth);
}

ExpressionPtr Parser::postfix(ExpressionPtr expr)
{
    for (;;) {
        if (current().isOperator(".") || current().isOperator("["))
            expr = subscript(std::move(expr));
        else if (current().isOperator("("))
            expr = call(std::move(expr));
        else
            return expr;
    }
}

ExpressionPtr Parser::filtersAndTests(ExpressionPtr expr)
{
    for (;;) {
        if (current().isOperator("|"))
            expr = filters(std::move(expr), false);
        else if (current().isName("is"))
            expr = test(std::move(expr));
        else if (current().isOperator("("))
            expr = call(std::move(expr));
        else
            return expr;
    }
}

std::string Parser::dottedName()
{
    std::string text = expectAnyName();
    while (skipOperator("."))
        text += "." + expectAnyName();
    return text;
}

/// A chain of filters. `isFirst`: the current token is the first one's name (a filter block), not "|".
ExpressionPtr Parser::filters(ExpressionPtr input, bool isFirst)
{
    while (isFirst || skipOperator("|")) {
        isFirst = false;
        const int line = current().line;
        FilterCall node{std::move(input), dottedName(), {}};
        if (current().isOperator("("))
            node.arguments = callArguments();
        const unsigned depth = std::max(depthOf(node.input), deepest(node.arguments));
        input = make(line, std::move(node), depth);
    }
    return input;
}

ExpressionPtr Parser::test(ExpressionPtr input)
{
    const int line = next().line;
    TestCall node{std::move(input), {}, {}, skipName("not")};
    node.name = dottedName();
    const Token& token = current();
    const bool isOperand = token.kind == TokenKind::String || token.kind == TokenKind::Integer
        || token.kind == TokenKind::Float || token.isOperator("[") || token.isOperator("{")
        || (token.kind == TokenKind::Name && !contains({"else", "or", "and"}, token.text));
    if (token.isOperator("(")) {
        node.arguments = callArguments();
    } else if (isOperand) {
        if (token.isName("is"))
            bad("You cannot chain multiple tests with is");
        node.arguments.positional.push_back(postfix(primary()));
    }
    const unsigned depth = std::max(depthOf(node.input), deepest(node.arguments));
    return make(line, std::move(node), depth);
}

ExpressionPtr Parser::subscript(ExpressionPtr owner)
{
    const unsigned depth = depthOf(owner);
    const int line = current().line;
    if (!skipOperator("."))
        return bracket(std::move(owner));
    if (current().kind == TokenKind::Name)
        return make(line, AttributeAccess{std::move(owner), next().text}, depth);
    if (current().kind != TokenKind::Integer)
        bad("expected name or number");
    ExpressionPtr index = make(line, Literal{next().number});
    return make(line, ItemAccess{std::move(owner), std::move(index)}, depth);
}

ExpressionPtr Parser::bracket(ExpressionPtr owner)
{
    const int line = next().line;
    const auto endsPart = [&] {
        return current().isOperator(":") || current().isOperator("]") || current().isOperator(",");
    };
    std::vector<ExpressionPtr> indices;
    while (!current().isOperator("]")) {
        if (!indices.empty())
            expectOperator(",");
        ExpressionPtr start = current().isOperator(":") ? nullptr : expression();
        if (skipOperator(":")) {
            ExpressionPtr stop = endsPart() ? nullptr : expression();
            ExpressionPtr step;
            if (skipOperator(":") && !endsPart())
                step = expression();
            if (!current().isOperator("]") || !indices.empty())
                bad("slices of several dimensions are not supported");
            next();
            const unsigned depth = std::max({depthOf(owner), depthOf(start), depthOf(stop), depthOf(step)});
            return make(line, SliceAccess{std::move(owner), std::move(start), std::move(stop), std::move(step)}, depth);
        }
        indices.push_back(std::move(start));
    }
    expectOperator("]");
    if (indices.empty())
        bad("expected subscript expression");
    ExpressionPtr index = std::move(indices.front());
    if (indices.size() > 1) {
        indices.front() = std::move(index);
        const unsigned depth = deepest(indices);
        index = make(line, SequenceDisplay{true, std::move(indices)}, depth);
    }
    const unsigned depth = std::max(depthOf(owner), depthOf(index));
    return make(line, ItemAccess{std::move(owner), std::move(index)}, depth);
}

ExpressionPtr Parser::call(ExpressionPtr callee)
{
    const int line = current().line;
    Call node{std::move(callee), callArguments()};
    const unsigned depth = std::max(depthOf(node.callee), deepest(node.arguments));
    return make(line, std::move(node), depth);
}

CallArguments Parser::callArguments()
{
    CallArguments arguments;
    expectOperator("(");
    bool first = true;
    while (!current().isOperator(")")) {
        if (!first)
            expectOperator(",");
        first = false;
        if (current().isOperator(")"))
            break;
        const bool starred = arguments.star || arguments.doubleStar;
        if (skipOperator("*")) {
            if (starred)
                bad("invalid syntax for function call expression");
            arguments.star = expression();
        } else if (skipOperator("**")) {
            if (arguments.doubleStar)
                bad("invalid syntax for function call expression");
            arguments.doubleStar = expression();
        } else if (current().kind == TokenKind::Name && ahead().isOperator("=")) {
            if (arguments.doubleStar)
                bad("invalid syntax for function call expression");
            std::string name = next().text;
            next();
            arguments.named.emplace_back(std::move(name), expression());
        } else {
            if (starred || !arguments.named.empty())
                bad("invalid syntax for function call expression");
            arguments.positional.push_back(expression());
        }
    }
    expectOperator(")");
    return arguments;
}

} // namespace

Block parse(std::string_view source)
{
    return Parser(tokenize(source)).run();
}

} // namespace cortex::engine::jinja
