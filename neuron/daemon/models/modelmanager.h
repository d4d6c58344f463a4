// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/daemon/background/workers.h"
#include "neuron/daemon/modelfetcher.h"
#include "neuron/daemon/models/enginefactory.h"
#include "neuron/daemon/models/loadedmodel.h"
#include "neuron/daemon/models/modelregistry.h"

#include <QHash>
#include <QTimer>

#include <atomic>
#include <chrono>

namespace cortex::neuron {

/// POST /models/load and /models/plan, parsed.
struct LoadRequest {
    QString modelId;
    QString harness = QStringLiteral("native");
    QString quant;
    int tensorParallel = 1;
    QList<int> devices;
    int context = 0; ///< tokens of the longest sequence; 0: the engine's choice
};

/// Why a model cannot be loaded, planned or unloaded. `status` is the HTTP one: 404 not known, 503 try again, 422 never
/// so.
struct ModelError {
    int status = 422;
    QString kind; ///< stable word: "insufficient_memory", "bad_file", "unsupported", "not_found", "busy", …
    QString message; ///< for people
    qint64 neededMb = 0;
    qint64 freeMb = 0;
    QString suggestion;
};

/// What came of it; `error` decides.
template <class T>
struct Answer {
    T value{};
    std::optional<ModelError> error;
};

/// Loads, drains and frees models, fetches those that are not here, and keeps the registry true. Main thread; the work
/// happens on workers: two that look at files and plan, one that loads and frees, one model after another. The queue
/// must not run any more tasks once the manager is gone.
class ModelManager : public QObject {
    Q_OBJECT
public:
    struct Options {
        ModelRoots roots;
        int threads = 0; ///< of an engine; 0: one per physical core
        std::chrono::milliseconds scanInterval{15'000}; ///< between looks at the disk
    };
    template <class T>
    using Reply = std::function<void(const Answer<T>&)>;

    /// `fetcher` may be null: nothing is fetched then. All references must outlive the manager.
    ModelManager(ModelRegistry& registry, EngineFactory& engines, ModelFetcher* fetcher, TaskQueue& queue,
                 const Options& options);
    ~ModelManager() override;

    /// Lists the disk once, then again at every interval. `done` after the first listing.
    void start(std::function<void()> done);

    /// Starts a load, or joins one under way. Answers Loaded, Loading or Downloading as soon as the load is known to be
    /// possible; how it ends shows in the registry.
    void load(const LoadRequest& request, Reply<ModelStatus> reply);
    /// Lets running requests end for up to `drain`, cancels the rest, frees. Stops a load or fetch under way. Answers
    /// at the end.
    void unload(const QString& name, std::chrono::milliseconds drain, Reply<ModelStatus> reply);
    /// As unload, of everything; `done` once, at the end.
    void unloadAll(std::chrono::milliseconds drain, std::function<void()> done);
    void plan(const LoadRequest& request, Reply<engine::MemoryPlan> reply);

    /// A loaded model for one request. Throws ApiError (model_not_found 404; loading or unloading 503 with
    /// Retry-After).
    ModelLease lease(const QString& name) const;
    /// The one model that is loaded, where there is just one.
    std::optional<QString> onlyLoaded() const;

    /// /health "models", by id.
    QList<ModelActivity> activity() const;
    /// "serving", "loading" or "idle".
    QString activation() const;

private:
    struct Load; // one load under way
    void scan(std::function<void()> done);
    void inspectNext();
    void inspected(const QString& id, Outcome<engine::ModelInfo>& outcome);
    std::optional<ModelError> refuse(const LoadRequest& request) const;
    engine::LoadOptions engineOptions(const ModelFile& file, const LoadRequest& request) const;
    void loadKnown(const QString& id, const LoadRequest& request, const Reply<ModelStatus>& reply);
    void fetch(const QString& id, const LoadRequest& request, const Reply<ModelStatus>& reply);
    void planThenLoad(const std::shared_ptr<Load>& load, const Reply<ModelStatus>& reply);
    std::shared_ptr<Load> beginLoad(const QString& id, const LoadRequest& request, ModelStatus status);
    void runLoad(const std::shared_ptr<Load>& load);
    void finishLoad(const std::shared_ptr<Load>& load, std::shared_ptr<engine::Engine> engine);
    void failLoad(const std::shared_ptr<Load>& load, const ModelError& error);
    void callOff(const std::shared_ptr<Load>& load);
    void drain(const std::shared_ptr<LoadedModel>& model, std::chrono::milliseconds limit);
    void free(const std::shared_ptr<LoadedModel>& model);
    void settle(const QString& id);

    ModelRegistry& m_registry;
    EngineFactory& m_engines;
    ModelFetcher* m_fetcher;
    Options m_options;
    QTimer m_scanTimer;
    QHash<QString, std::shared_ptr<Load>> m_loads;
    QHash<QString, std::shared_ptr<LoadedModel>> m_loaded;
    QHash<QString, QList<Reply<ModelStatus>>> m_unloadReplies;
    QStringList m_toInspect;
    bool m_inspecting = false;
    Workers m_fileWorker;
    Workers m_loadWorker;
};

} // namespace cortex::neuron
