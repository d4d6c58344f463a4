// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/proxy.h"

#include "gateway/exchange.h"

namespace cortex {

Proxy::Proxy(const ProxyContext& context, QObject* parent)
    : QObject(parent)
    , m_context(context)
{
}

Proxy::~Proxy()
{
    qDeleteAll(findChildren<Exchange*>(QString(), Qt::FindDirectChildrenOnly));
}

void Proxy::forward(const HttpRequest& request, const std::shared_ptr<ResponseStream>& response, const QString& path)
{
    auto* exchange = new Exchange(m_context, response, path, this);
    exchange->start(request.body);
}

int Proxy::exchangeCount() const
{
    return int(findChildren<Exchange*>(QString(), Qt::FindDirectChildrenOnly).size());
}

} // namespace cortex
