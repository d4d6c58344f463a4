// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/engine.h"

#include <QObject>
#include <QString>

#include <memory>

namespace cortex::neuron {

/// An engine that serves, and how many requests use it. Main thread; the engine's own calls are thread-safe.
class LoadedModel : public QObject {
    Q_OBJECT
public:
    LoadedModel(QString id, std::shared_ptr<engine::Engine> engine)
        : m_id(std::move(id))
        , m_engine(std::move(engine))
    {
    }

    const QString& id() const { return m_id; }
    engine::Engine& engine() const { return *m_engine; }
    /// Takes the engine out, to free it elsewhere; only while no lease is held.
    std::shared_ptr<engine::Engine> release() { return std::move(m_engine); }
    bool isHeld() const { return m_engine != nullptr; } ///< false once released
    int users() const { return m_users; }
    bool isRevoked() const { return m_revoked; }
    /// The drain is over: whoever still holds a lease must end its work now.
    void revoke()
    {
        m_revoked = true;
        Q_EMIT revoked();
    }

Q_SIGNALS:
    void revoked();
    void idle(); ///< the last lease was given back

private:
    friend class ModelLease;
    QString m_id;
    std::shared_ptr<engine::Engine> m_engine;
    int m_users = 0;
    bool m_revoked = false;
};

/// The right to use a loaded model: while one is held, the engine is not freed. Move-only; main thread.
class ModelLease {
public:
    explicit ModelLease(std::shared_ptr<LoadedModel> model)
        : m_model(std::move(model))
    {
        ++m_model->m_users;
    }
    ModelLease(ModelLease&&) noexcept = default;
    ModelLease& operator=(ModelLease&&) = delete;
    ~ModelLease()
    {
        if (m_model && --m_model->m_users == 0)
            Q_EMIT m_model->idle();
    }
    LoadedModel* operator->() const { return m_model.get(); }

private:
    std::shared_ptr<LoadedModel> m_model;
};

} // namespace cortex::neuron
