// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QByteArray>
#include <QByteArrayView>
#include <QHash>
#include <QHostAddress>
#include <QList>
#include <QPair>
#include <QString>
#include <QUrlQuery>

namespace cortex {

/// Header fields in order of arrival. Names compare without case.
class HttpHeaders {
public:
    void append(const QByteArray& name, const QByteArray& value) { m_fields.append({name, value}); }
    void set(const QByteArray& name, const QByteArray& value);
    void remove(QByteArrayView name);
    QByteArray value(QByteArrayView name) const; ///< the first of that name; empty where there is none
    bool contains(QByteArrayView name) const;
    const QList<QPair<QByteArray, QByteArray>>& fields() const { return m_fields; }

private:
    QList<QPair<QByteArray, QByteArray>> m_fields;
};

/// One complete, size-checked request.
struct HttpRequest {
    QByteArray method; ///< "GET", …
    QString path; ///< percent-decoded, without the query
    QUrlQuery query;
    HttpHeaders headers;
    QByteArray body;
    QHostAddress peer;
    QHash<QString, QString> captures; ///< what the route's {name} parts matched, decoded
};

} // namespace cortex
