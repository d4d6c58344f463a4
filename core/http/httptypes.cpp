// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/httptypes.h"

#include <algorithm>

namespace cortex {

namespace {

auto named(QByteArrayView name)
{
    return [name](const auto& field) { return field.first.compare(name, Qt::CaseInsensitive) == 0; };
}

} // namespace

void HttpHeaders::set(const QByteArray& name, const QByteArray& value)
{
    remove(name);
    append(name, value);
}

void HttpHeaders::remove(QByteArrayView name)
{
    m_fields.removeIf(named(name));
}

QByteArray HttpHeaders::value(QByteArrayView name) const
{
    const auto found = std::find_if(m_fields.cbegin(), m_fields.cend(), named(name));
    return found == m_fields.cend() ? QByteArray() : found->second;
}

bool HttpHeaders::contains(QByteArrayView name) const
{
    return std::any_of(m_fields.cbegin(), m_fields.cend(), named(name));
}

} // namespace cortex
