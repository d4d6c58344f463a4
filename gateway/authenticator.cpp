// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/authenticator.h"

#include <QCryptographicHash>

#include <algorithm>

namespace cortex {

namespace {

QByteArray hashOf(const QByteArray& key)
{
    return QCryptographicHash::hash(key, QCryptographicHash::Sha256);
}

/// Both have the length of a SHA-256; the time does not depend on where they differ.
bool equalInConstantTime(const QByteArray& a, const QByteArray& b)
{
    int difference = a.size() == b.size() ? 0 : 1;
    for (qsizetype i = 0; i < std::min(a.size(), b.size()); ++i)
        difference |= a.at(i) ^ b.at(i);
    return difference == 0;
}

QByteArray bearerOf(const HttpHeaders& headers)
{
    const QByteArray value = headers.value("authorization");
    return value.left(7).toLower() == "bearer " ? value.mid(7).trimmed() : QByteArray();
}

} // namespace

Authenticator::Authenticator(const GatewayConfig& config)
    : m_required(config.requireAuth)
{
    for (const KeyEntry& entry : config.keys)
        m_hashes.append(hashOf(entry.key.toUtf8()));
}

bool Authenticator::isKnown(const QByteArray& key) const
{
    const QByteArray hash = hashOf(key);
    bool known = false;
    for (const QByteArray& other : m_hashes)
        known = equalInConstantTime(hash, other) || known;
    return known && !key.isEmpty();
}

std::optional<RouteError> Authenticator::check(const HttpHeaders& headers) const
{
    // Agents send the key in either header, or in both.
    if (!m_required || isKnown(bearerOf(headers)) || isKnown(headers.value("x-api-key").trimmed()))
        return std::nullopt;
    return RouteError{.status = 401,
                      .type = QStringLiteral("invalid_request_error"),
                      .code = QStringLiteral("invalid_api_key"),
                      .message =
                          QStringLiteral("This gateway asks for a key: send 'Authorization: Bearer KEY' with one that "
                                         "its cortex.toml lists."),
                      .param = {},
                      .retryAfter = 0};
}

} // namespace cortex
