// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/completionrequest.h"

#include "core/error.h"

#include <QJsonArray>
#include <QJsonDocument>

namespace cortex {

namespace {

constexpr int maxDepth = 512; ///< the scan recurses
constexpr qsizetype maxModelBytes = 4096;

bool isSpace(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// A character of numbers, true, false and null.
bool isOfScalar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}

/// True where the inside of a JSON string means `word`, whose letters need no escape but may have one.
bool spells(QByteArrayView string, QByteArrayView word)
{
    for (const char letter : word) {
        if (string.startsWith(letter)) {
            string = string.sliced(1);
            continue;
        }
        if (string.size() < 6 || !string.startsWith("\\u00") || string.sliced(4, 2).toInt(nullptr, 16) != letter)
            return false;
        string = string.sliced(6);
    }
    return string.isEmpty();
}

/// Walks over one JSON text and keeps of it where the border fields stand.
class Scanner {
public:
    explicit Scanner(QByteArrayView json)
        : m_json(json)
    {
    }

    void scan()
    {
        if (m_json.startsWith("\xEF\xBB\xBF"))
            m_at = 3;
        const QByteArrayView whole = value(0);
        skipSpace();
        if (m_at != m_json.size())
            fail("something more");
        if (!whole.startsWith('{'))
            throw InputError(QStringLiteral("The body must be a JSON object."));
    }

    QByteArrayView model; ///< the value's text; empty where there is none
    QByteArrayView stream;

private:
    [[noreturn]] void fail(const char* what) const
    {
        throw InputError(
            QStringLiteral("The body is not valid JSON: %1 at byte %2.").arg(QLatin1String(what)).arg(m_at));
    }

    char peek() const { return m_at < m_json.size() ? m_json[m_at] : '\0'; }

    void skipSpace()
    {
        while (isSpace(peek()))
            ++m_at;
    }

    bool skip(char c)
    {
        skipSpace();
        if (peek() != c)
            return false;
        ++m_at;
        return true;
    }

    /// Returns the value's text.
    QByteArrayView value(int depth)
    {
        skipSpace();
        const qsizetype begin = m_at;
        if (depth > maxDepth)
            fail("too deep nesting");
        if (peek() == '{')
            object(depth);
        else if (peek() == '[')
            array(depth);
        else if (peek() == '"')
            string();
        else
            scalar();
        return m_json.sliced(begin, m_at - begin);
    }

    void object(int depth)
    {
        ++m_at;
        if (skip('}'))
            return;
        do {
            skipSpace();
            const QByteArrayView key = string();
            if (!skip(':'))
                fail("a missing colon");
            const QByteArrayView text = value(depth + 1);
            if (depth == 0)
                note(key, text);
        } while (skip(','));
        if (!skip('}'))
            fail("a missing comma or brace");
    }

    void array(int depth)
    {
        ++m_at;
        if (skip(']'))
            return;
        do
            value(depth + 1);
        while (skip(','));
        if (!skip(']'))
            fail("a missing comma or bracket");
    }

    /// Returns what stands between the quotes.
    QByteArrayView string()
    {
        if (peek() != '"')
            fail("a missing string");
        const qsizetype begin = m_at + 1;
        int backslashes = 1;
        while (backslashes % 2 == 1) { // an odd number of them makes the quote after them a letter
            const qsizetype quote = m_json.indexOf('"', m_at + 1);
            if (quote < 0)
                fail("a string without an end");
            m_at = quote;
            for (backslashes = 0; m_json[quote - 1 - backslashes] == '\\';)
                ++backslashes;
        }
        return m_json.sliced(begin, m_at++ - begin);
    }

    void scalar()
    {
        const qsizetype begin = m_at;
        while (isOfScalar(peek()))
            ++m_at;
        const QByteArrayView text = m_json.sliced(begin, m_at - begin);
        const bool isNumber = !text.isEmpty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
        if (!isNumber && text != "true" && text != "false" && text != "null")
            fail("no value");
    }

    /// Two of a name mean one thing to one reader and another to the next.
    void note(QByteArrayView key, QByteArrayView text)
    {
        for (const auto& [name, field] : {std::pair("model", &model), std::pair("stream", &stream)}) {
            if (!spells(key, name))
                continue;
            if (!field->isEmpty())
                throw InputError(QStringLiteral("The body names '%1' twice.").arg(QLatin1String(name)));
            *field = text;
        }
    }

    const QByteArrayView m_json;
    qsizetype m_at = 0;
};

QByteArray quoted(const QString& text)
{
    const QByteArray array = QJsonDocument(QJsonArray{text}).toJson(QJsonDocument::Compact);
    return array.mid(1, array.size() - 2);
}

} // namespace

CompletionRequest parseCompletionRequest(const QByteArray& body)
{
    Scanner scanner(body);
    scanner.scan();
    if (scanner.model.size() > maxModelBytes)
        throw InputError(QStringLiteral("'model' is longer than %1 bytes.").arg(maxModelBytes));
    const QString model = QJsonDocument::fromJson('[' + scanner.model.toByteArray() + ']').array().at(0).toString();
    if (model.isEmpty())
        throw InputError(QStringLiteral("The body must name a 'model' (a string). GET /v1/models lists them."));
    const QByteArrayView stream = scanner.stream;
    if (!stream.isEmpty() && stream != "true" && stream != "false" && stream != "null")
        throw InputError(QStringLiteral("'stream' must be true or false."));
    const qsizetype begin = scanner.model.data() - body.constData();
    return {.model = model, .stream = stream == "true", .modelBegin = begin, .modelEnd = begin + scanner.model.size()};
}

QByteArray withModel(const QByteArray& body, const CompletionRequest& request, const QString& model)
{
    const QByteArrayView bytes(body);
    QByteArray result;
    const QByteArray value = quoted(model);
    result.reserve(body.size() + value.size());
    result.append(bytes.first(request.modelBegin)).append(value).append(bytes.sliced(request.modelEnd));
    return result;
}

} // namespace cortex
