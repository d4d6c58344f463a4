// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/lease.h"

#include "gateway/modelrouter.h"

#include <utility>

namespace cortex {

Lease::Lease(ModelRouter* router, QString model, QString node, QUrl endpoint, QString nodeModelId)
    : m_router(router)
    , m_model(std::move(model))
    , m_node(std::move(node))
    , m_endpoint(std::move(endpoint))
    , m_nodeModelId(std::move(nodeModelId))
    , m_held(true)
{
}

Lease::Lease(Lease&& other) noexcept
{
    *this = std::move(other);
}

Lease& Lease::operator=(Lease&& other) noexcept
{
    if (this != &other) {
        release();
        m_router = other.m_router;
        m_model = other.m_model;
        m_node = other.m_node;
        m_endpoint = other.m_endpoint;
        m_nodeModelId = other.m_nodeModelId;
        m_held = std::exchange(other.m_held, false);
    }
    return *this;
}

Lease::~Lease()
{
    release();
}

void Lease::release()
{
    if (std::exchange(m_held, false) && m_router)
        m_router->releaseLease({m_node, m_model});
}

} // namespace cortex
