// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/requestparser.h"

#include <QStringDecoder>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace cortex {

namespace {

constexpr qsizetype MaxChunkLine = 1024; ///< of a chunk's size line with its extensions, which we ignore
constexpr qsizetype MaxFields = 256;

/// A character of a token (RFC 9110, 5.6.2): methods and field names.
bool isTokenCharacter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
        || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

bool isToken(QByteArrayView text)
{
    return !text.isEmpty() && std::all_of(text.begin(), text.end(), isTokenCharacter);
}

/// Visible characters, blanks, tabs and bytes beyond ASCII (RFC 9110, 5.5).
bool isFieldValue(QByteArrayView text)
{
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

QByteArrayView trimmedBlanks(QByteArrayView text)
{
    const auto isBlank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.isEmpty() && isBlank(text.front()))
        text = text.sliced(1);
    while (!text.isEmpty() && isBlank(text.back()))
        text.chop(1);
    return text;
}

/// Text of the client's for a message: short, and printable.
QString quoted(QByteArrayView text)
{
    QString result;
    for (const char c : text.first(std::min<qsizetype>(text.size(), 60)))
        result += c >= 0x20 && c < 0x7f ? QLatin1Char(c) : QLatin1Char('?');
    return QLatin1Char('"') + result + QLatin1Char('"');
}

int hexDigit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/// Percent-decoded text; nothing where an escape is malformed or the bytes are not UTF-8.
std::optional<QString> decodedPath(QByteArrayView raw)
{
    QByteArray bytes;
    bytes.reserve(raw.size());
    for (qsizetype i = 0; i < raw.size(); ++i) {
        if (raw[i] != '%') {
            bytes += raw[i];
            continue;
        }
        const int high = i + 2 < raw.size() ? hexDigit(raw[i + 1]) : -1;
        const int low = i + 2 < raw.size() ? hexDigit(raw[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return {};
        bytes += static_cast<char>(high * 16 + low);
        i += 2;
    }
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    const QString text = decoder(bytes);
    return decoder.hasError() ? std::nullopt : std::optional(text);
}

QList<QByteArrayView> valuesOf(const HttpHeaders& headers, QByteArrayView name)
{
    QList<QByteArrayView> values;
    for (const auto& field : headers.fields()) {
        if (field.first.compare(name, Qt::CaseInsensitive) == 0)
            values.append(field.second);
    }
    return values;
}

} // namespace

RequestParser::RequestParser(qint64 maxHeaderBytes, qint64 maxBodyBytes)
    : m_maxHeaderBytes(maxHeaderBytes)
    , m_maxBodyBytes(maxBodyBytes)
{
}

RequestParser::State RequestParser::state() const
{
    switch (m_phase) {
    case Phase::RequestLine:
        return m_line.isEmpty() || m_line == "\r" ? State::Start : State::Head; // empty lines begin no request
    case Phase::HeaderLine:
        return State::Head;
    case Phase::Complete:
        return State::Complete;
    case Phase::Failed:
        return State::Failed;
    default:
        return State::Body;
    }
}

HttpRequest RequestParser::takeRequest()
{
    Q_ASSERT(m_phase == Phase::Complete);
    HttpRequest request = std::move(m_request);
    m_request = {};
    m_phase = Phase::RequestLine;
    m_headBytes = 0;
    m_keepsAlive = true;
    m_expectsContinue = false;
    return request;
}

qsizetype RequestParser::push(QByteArrayView bytes)
{
    qsizetype taken = 0;
    while (taken < bytes.size() && m_phase != Phase::Complete && m_phase != Phase::Failed) {
        const bool inBody = m_phase == Phase::SizedBody || m_phase == Phase::ChunkData;
        taken += inBody ? pushBody(bytes.sliced(taken)) : pushLine(bytes.sliced(taken));
    }
    return taken;
}

qsizetype RequestParser::pushLine(QByteArrayView bytes)
{
    const bool inChunk = m_phase == Phase::ChunkSize || m_phase == Phase::ChunkEnd;
    const qint64 room = inChunk ? MaxChunkLine - m_line.size() : m_maxHeaderBytes - m_headBytes;
    const qsizetype newline = bytes.first(std::min<qint64>(bytes.size(), room)).indexOf('\n');
    const qsizetype taken = newline < 0 ? bytes.size() : newline + 1;
    if (taken > room) {
        failTooLong();
        return 0;
    }
    if (!inChunk)
        m_headBytes += taken;
    m_line.append(bytes.data(), taken);
    if (newline < 0)
        return taken;

    const QByteArray line = std::exchange(m_line, {});
    if (!line.endsWith("\r\n"))
        fail(400, QStringLiteral("a line ends without a carriage return"));
    else
        endLine(QByteArrayView(line).chopped(2));
    return taken;
}

qsizetype RequestParser::pushBody(QByteArrayView bytes)
{
    const qsizetype taken = std::min<qint64>(bytes.size(), m_bodyRemaining);
    m_request.body.append(bytes.data(), taken);
    m_bodyRemaining -= taken;
    if (m_bodyRemaining == 0)
        m_phase = m_phase == Phase::SizedBody ? Phase::Complete : Phase::ChunkEnd;
    return taken;
}

void RequestParser::endLine(QByteArrayView line)
{
    switch (m_phase) {
    case Phase::RequestLine:
        if (!line.isEmpty()) // RFC 9112, 2.2: empty lines before a request are to be ignored
            parseRequestLine(line);
        break;
    case Phase::HeaderLine:
        if (line.isEmpty())
            endHead();
        else
            parseHeader(line);
        break;
    case Phase::ChunkSize:
        parseChunkSize(line);
        break;
    case Phase::ChunkEnd:
        if (!line.isEmpty())
            fail(400, QStringLiteral("a chunk is longer than its size says"));
        else
            m_phase = Phase::ChunkSize;
        break;
    case Phase::TrailerLine: // trailers carry nothing that we use
        if (line.isEmpty())
            m_phase = Phase::Complete;
        else if (!isFieldValue(line))
            fail(400, QStringLiteral("a trailer holds a control character"));
        break;
    default:
        Q_UNREACHABLE();
    }
}

void RequestParser::parseRequestLine(QByteArrayView line)
{
    const qsizetype first = line.indexOf(' ');
    const qsizetype last = line.lastIndexOf(' ');
    if (first <= 0 || last <= first + 1)
        return fail(400, QStringLiteral("%1 is not a request line of HTTP").arg(quoted(line)));
    const QByteArrayView method = line.first(first);
    const QByteArrayView target = line.sliced(first + 1, last - first - 1);
    const QByteArrayView version = line.sliced(last + 1);

    if (version.size() != 8 || !version.startsWith("HTTP/") || version[6] != '.' || hexDigit(version[5]) < 0
        || hexDigit(version[7]) < 0)
        return fail(400, QStringLiteral("%1 is not a version of HTTP").arg(quoted(version)));
    if (version[5] != '1')
        return fail(505, QStringLiteral("only HTTP/1.1 and HTTP/1.0 are spoken here, not %1").arg(quoted(version)));
    m_minorVersion = version[7] == '0' ? 0 : 1;

    if (!isToken(method))
        return fail(400, QStringLiteral("%1 is not a method").arg(quoted(method)));
    static constexpr std::array Methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    if (std::none_of(Methods.begin(), Methods.end(), [&](const char* known) { return method == known; }))
        return fail(501, QStringLiteral("the method %1 is not supported").arg(quoted(method)));
    m_request.method = method.toByteArray();
    m_phase = Phase::HeaderLine;
    parseTarget(target);
}

void RequestParser::parseTarget(QByteArrayView target)
{
    const bool printable =
        std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
    if (!printable)
        return fail(400, QStringLiteral("the address holds a character that has to be percent-encoded"));
    // A proxy's absolute form, http://host/path, means the same as /path here.
    if (target.startsWith("http://") || target.startsWith("https://")) {
        const qsizetype path = target.indexOf('/', target.indexOf(':') + 3);
        target = path < 0 ? QByteArrayView("/") : target.sliced(path);
    }
    if (!target.startsWith('/') && !(target == "*" && m_request.method == "OPTIONS"))
        return fail(400, QStringLiteral("the address %1 does not begin with /").arg(quoted(target)));

    const qsizetype question = target.indexOf('?');
    const QByteArrayView path = question < 0 ? target : target.first(question);
    const auto decoded = decodedPath(path);
    if (!decoded)
        return fail(400, QStringLiteral("the path %1 is not percent-encoded UTF-8").arg(quoted(path)));
    m_target = target.toByteArray();
    m_request.path = *decoded;
    if (question >= 0)
        m_request.query = QUrlQuery(QString::fromLatin1(target.sliced(question + 1)));
}

void RequestParser::parseHeader(QByteArrayView line)
{
    if (line.front() == ' ' || line.front() == '\t')
        return fail(400, QStringLiteral("folded header lines are obsolete and not accepted"));
    const qsizetype colon = line.indexOf(':');
    const QByteArrayView name = line.first(std::max<qsizetype>(colon, 0));
    if (!isToken(name))
        return fail(400, QStringLiteral("%1 is not a header field").arg(quoted(line)));
    const QByteArrayView value = trimmedBlanks(line.sliced(colon + 1));
    if (!isFieldValue(value))
        return fail(400, QStringLiteral("the header %1 holds a control character").arg(quoted(name)));
    if (m_request.headers.fields().size() >= MaxFields)
        return fail(431, QStringLiteral("more than %1 header fields").arg(MaxFields));
    m_request.headers.append(name.toByteArray(), value.toByteArray());
}

void RequestParser::endHead()
{
    const qsizetype hosts = valuesOf(m_request.headers, "Host").size();
    if (hosts > 1 || (hosts == 0 && m_minorVersion == 1))
        return fail(400, QStringLiteral("there must be one Host header, not %1").arg(hosts));
    parseConnection();
    parseExpectation();
    if (m_phase != Phase::Failed)
        parseFraming();
}

void RequestParser::parseConnection()
{
    m_keepsAlive = m_minorVersion == 1;
    for (const QByteArrayView value : valuesOf(m_request.headers, "Connection")) {
        for (const QByteArray& option : value.toByteArray().toLower().split(',')) {
            if (option.trimmed() == "close") {
                m_keepsAlive = false;
                return;
            }
            if (option.trimmed() == "keep-alive")
                m_keepsAlive = true;
        }
    }
}

void RequestParser::parseExpectation()
{
    const QList<QByteArrayView> values = valuesOf(m_request.headers, "Expect");
    if (values.isEmpty() || m_minorVersion == 0)
        return;
    if (values.size() > 1 || values.front().compare("100-continue", Qt::CaseInsensitive) != 0)
        return fail(417, QStringLiteral("the only expectation that can be met is 100-continue"));
    m_expectsContinue = true;
}

void RequestParser::parseFraming()
{
    const QList<QByteArrayView> codings = valuesOf(m_request.headers, "Transfer-Encoding");
    const QList<QByteArrayView> lengths = valuesOf(m_request.headers, "Content-Length");
    if (!codings.isEmpty()) {
        // Two lengths are how requests are smuggled past a proxy that believes the other one.
        if (!lengths.isEmpty() || m_minorVersion == 0)
            return fail(400, QStringLiteral("Transfer-Encoding with Content-Length or HTTP/1.0 is not accepted"));
        if (codings.size() > 1 || codings.front().compare("chunked", Qt::CaseInsensitive) != 0)
            return fail(501, QStringLiteral("the only transfer coding that is supported is chunked"));
        m_phase = Phase::ChunkSize;
        return;
    }
    if (lengths.isEmpty()) {
        m_phase = Phase::Complete;
        return;
    }
    const QByteArrayView digits = lengths.front();
    const bool decimal =
        !digits.isEmpty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (lengths.size() > 1 || !decimal)
        return fail(400, QStringLiteral("Content-Length %1 is not one number of bytes").arg(quoted(digits)));
    bool fitsInteger = false;
    m_bodyRemaining = digits.toByteArray().toLongLong(&fitsInteger);
    if (!fitsInteger || m_bodyRemaining > m_maxBodyBytes)
        return fail(413, QStringLiteral("the body is larger than %1 bytes").arg(m_maxBodyBytes));
    m_phase = m_bodyRemaining == 0 ? Phase::Complete : Phase::SizedBody;
}

void RequestParser::parseChunkSize(QByteArrayView line)
{
    // The size, and after a semicolon extensions, which are ours to ignore (RFC 9112, 7.1.1).
    const qsizetype semicolon = line.indexOf(';');
    const QByteArrayView digits = trimmedBlanks(semicolon < 0 ? line : line.first(semicolon));
    if (digits.isEmpty() || digits.size() > 15 || !isFieldValue(line)
        || std::any_of(digits.begin(), digits.end(), [](char c) { return hexDigit(c) < 0; }))
        return fail(400, QStringLiteral("%1 is not the size of a chunk").arg(quoted(line)));
    qint64 size = 0;
    for (const char c : digits)
        size = size * 16 + hexDigit(c);
    if (size > m_maxBodyBytes - m_request.body.size())
        return fail(413, QStringLiteral("the body is larger than %1 bytes").arg(m_maxBodyBytes));
    m_bodyRemaining = size;
    m_phase = size == 0 ? Phase::TrailerLine : Phase::ChunkData;
}

void RequestParser::failTooLong()
{
    if (m_phase == Phase::RequestLine)
        fail(414, QStringLiteral("the address is longer than %1 bytes").arg(m_maxHeaderBytes));
    else if (m_phase == Phase::ChunkSize || m_phase == Phase::ChunkEnd)
        fail(400, QStringLiteral("the size line of a chunk is longer than %1 bytes").arg(MaxChunkLine));
    else
        fail(431, QStringLiteral("the headers are larger than %1 bytes").arg(m_maxHeaderBytes));
}

void RequestParser::fail(int status, const QString& message)
{
    m_phase = Phase::Failed;
    m_errorStatus = status;
    m_errorMessage = message;
    m_line.clear();
    m_request = {};
}

} // namespace cortex
