// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QPointer>
#include <QString>
#include <QUrl>

namespace cortex {

class ModelRouter;

/// The right to send one request to one replica. Counts as in flight until it is released: by release, or by its end.
/// Exactly once, whichever comes first. Move only.
class Lease {
public:
    Lease() = default;
    Lease(ModelRouter* router, QString model, QString node, QUrl endpoint, QString nodeModelId);
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    void release();
    bool isHeld() const { return m_held; }
    const QString& model() const { return m_model; } ///< the gateway's id
    const QString& node() const { return m_node; }
    const QUrl& endpoint() const { return m_endpoint; } ///< of the node
    const QString& nodeModelId() const { return m_nodeModelId; } ///< what the node calls the model

private:
    QPointer<ModelRouter> m_router;
    QString m_model;
    QString m_node;
    QUrl m_endpoint;
    QString m_nodeModelId;
    bool m_held = false;
};

} // namespace cortex
