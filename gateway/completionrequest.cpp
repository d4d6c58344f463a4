// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/completionrequest.h"

#include "core/error.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QList>

#include <algorithm>

namespace cortex {

namespace {

struct Range {
    qsizetype begin = 0;
    qsizetype end = 0;
};

/// The index after the string that begins with the quote at `at`.
qsizetype skipString(const QByteArray& json, qsizetype at)
{
    for (++at; at < json.size() && json.at(at) != '"'; ++at) {
        if (json.at(at) == '\\')
            ++at;
    }
    return std::min(at + 1, json.size());
}

qsizetype skipSpace(const QByteArray& json, qsizetype at)
{
    while (at < json.size()
           && (json.at(at) == ' ' || json.at(at) == '\t' || json.at(at) == '\n' || json.at(at) == '\r'))
        ++at;
    return at;
}

/// Where the string values of top-level members "model" stand, quotes included. `json` is a valid JSON object.
QList<Range> modelValues(const QByteArray& json)
{
    QList<Range> found;
    int depth = 0;
    for (qsizetype at = 0; at < json.size();) {
        const char c = json.at(at);
        if (c == '{' || c == '[')
            ++depth;
        else if (c == '}' || c == ']')
            --depth;
        if (c != '"') {
            ++at;
            continue;
        }
        const qsizetype end = skipString(json, at);
        const qsizetype colon = skipSpace(json, end);
        if (depth == 1 && colon < json.size() && json.at(colon) == ':' && json.mid(at, end - at) == "\"model\"") {
            const qsizetype value = skipSpace(json, colon + 1);
            if (value < json.size() && json.at(value) == '"') {
                found.append({value, skipString(json, value)});
                at = found.last().end;
                continue;
            }
        }
        at = end;
    }
    return found;
}

QByteArray quoted(const QString& text)
{
    const QByteArray array = QJsonDocument(QJsonArray{text}).toJson(QJsonDocument::Compact);
    return array.mid(1, array.size() - 2);
}

} // namespace

CompletionRequest parseCompletionRequest(const QByteArray& body)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(body, &error);
    if (error.error != QJsonParseError::NoError) {
        throw InputError(
            QStringLiteral("The body is not valid JSON: %1 at byte %2.").arg(error.errorString()).arg(error.offset));
    }
    if (!document.isObject())
        throw InputError(QStringLiteral("The body must be a JSON object."));
    const QJsonObject json = document.object();
    const QJsonValue model = json.value(QLatin1String("model"));
    if (!model.isString() || model.toString().isEmpty())
        throw InputError(QStringLiteral("The body must name a 'model' (a string). GET /v1/models lists them."));
    const QJsonValue stream = json.value(QLatin1String("stream"));
    if (!stream.isUndefined() && !stream.isNull() && !stream.isBool())
        throw InputError(QStringLiteral("'stream' must be true or false."));
    return {.model = model.toString(), .stream = stream.toBool()};
}

QByteArray withModel(const QByteArray& body, const QString& model)
{
    const QList<Range> values = modelValues(body);
    QJsonObject json = QJsonDocument::fromJson(body).object();
    const bool plain = values.size() == 1
        && body.mid(values.first().begin, values.first().end - values.first().begin)
            == quoted(json.value(QLatin1String("model")).toString());
    if (plain) {
        const Range& range = values.first();
        return body.left(range.begin) + quoted(model) + body.mid(range.end);
    }
    json.insert(QStringLiteral("model"), model);
    return QJsonDocument(json).toJson(QJsonDocument::Compact);
}

} // namespace cortex
