// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/fleet/types.h"
#include "neuron/daemon/models/modelfiles.h"

#include <QMap>
#include <QObject>

#include <functional>

namespace cortex::neuron {

/// A model that this node knows: what the API tells of it, and where it lies.
struct KnownModel {
    NodeModel model;
    ModelFile file; ///< path empty while its files are not here (downloading, or a download that failed)
    qint64 loadedAt = 0; ///< seconds since the epoch; of the last load
};

/// The models of this node: the one place where their state lives. Main thread only; every change is one signal. An id
/// never changes while the daemon runs, even when a second quantization of the same name appears.
class ModelRegistry : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    const QMap<QString, KnownModel>& models() const { return m_models; }
    const KnownModel* find(const QString& id) const;

    /// The id that a request's name means: an id as it stands, else "NAME:QUANT" of a known file, else a NAME of which
    /// a quantization is known: a loaded one first, then Q4_K_M, then the first; of "NAME:QUANT" without such a file
    /// also a safetensors checkpoint NAME, which can become QUANT as it is loaded. What is not here and not on its way
    /// goes by its id alone. Empty where nothing fits.
    QString resolve(const QString& name) const;

    /// Takes over a fresh listing. New, changed and moved files are entered unloaded, vanished ones dropped unless in
    /// use. Returns the ids that are new or whose files changed or moved: what to inspect.
    QStringList setFiles(const QList<ModelFile>& files);

    /// Enters a model whose files are not here yet; a known id stays as it is.
    void addMissing(const QString& id);
    void setLoadedAt(const QString& id, qint64 secondsSinceEpoch) { m_models[id].loadedAt = secondsSinceEpoch; }
    /// Its files are here now.
    void setFile(const QString& id, const QString& path);

    /// Drops an entry; emits `gone`.
    void remove(const QString& id);

    /// Changes an entry (which must exist); emits `changed` where it really did.
    void update(const QString& id, const std::function<void(NodeModel&)>& change);

Q_SIGNALS:
    void changed(const cortex::NodeModel& model);
    void gone(const QString& id);

private:
    QMap<QString, KnownModel> m_models;
};

} // namespace cortex::neuron
