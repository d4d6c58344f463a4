// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/models/modelmanager.h"

#include "neuron/daemon/apierror.h"
#include "neuron/daemon/hub/modelname.h"

#include <QFile>
#include <QLoggingCategory>
#include <QPointer>

Q_LOGGING_CATEGORY(lcModels, "neuron.models")

namespace cortex::neuron {

namespace {

constexpr qint64 BytesPerMb = 1024 * 1024;
constexpr std::chrono::milliseconds ProgressInterval{100};

qint64 toMb(size_t bytes)
{
    return qint64((bytes + BytesPerMb - 1) / BytesPerMb);
}

QString kindWord(engine::ErrorKind kind)
{
    switch (kind) {
    case engine::ErrorKind::NotFound:
        return QStringLiteral("not_found");
    case engine::ErrorKind::BadFile:
        return QStringLiteral("bad_file");
    case engine::ErrorKind::Unsupported:
        return QStringLiteral("unsupported");
    case engine::ErrorKind::OutOfMemory:
        return QStringLiteral("insufficient_memory");
    case engine::ErrorKind::Cancelled:
        return QStringLiteral("cancelled");
    case engine::ErrorKind::BadRequest:
    case engine::ErrorKind::ContextExceeded:
        return QStringLiteral("bad_request");
    default:
        return QStringLiteral("load_failed");
    }
}

/// What an engine's exception means for a load or plan.
ModelError modelError(const std::exception& error)
{
    ModelError result;
    result.message = QString::fromStdString(error.what());
    const auto* ours = dynamic_cast<const engine::Error*>(&error);
    result.kind = ours ? kindWord(ours->kind()) : QStringLiteral("load_failed");
    return result;
}

/// Whether it lies in the request or the moment, and not in the model: another load may well succeed.
bool isPassing(const ModelError& error)
{
    return error.kind == QLatin1String("bad_request") || error.kind == QLatin1String("insufficient_memory");
}

/// The error of a plan that does not fit, or nothing.
std::optional<ModelError> tooLarge(const engine::MemoryPlan& plan)
{
    if (plan.fits)
        return std::nullopt;
    ModelError error;
    error.kind = QStringLiteral("insufficient_memory");
    error.neededMb = toMb(plan.totalBytes);
    error.freeMb = qint64(plan.freeBytes) / BytesPerMb;
    error.message = QStringLiteral("the model needs %1 MB with a context of %2 tokens, and %3 MB are free")
                        .arg(error.neededMb)
                        .arg(plan.contextTokens)
                        .arg(error.freeMb);
    error.suggestion = plan.largestContext > 0
        ? QStringLiteral("load it with a context of at most %1 tokens").arg(plan.largestContext)
        : QStringLiteral("unload another model, or take a smaller quantization");
    return error;
}

QStringList capabilitiesOf(const engine::ModelInfo& info)
{
    QStringList capabilities;
    if (info.hasTokenizer && info.hasChatTemplate)
        capabilities.append(QStringLiteral("chat"));
    capabilities.append(QStringLiteral("completion"));
    return capabilities;
}

ModelError unknownModel(const QString& name, const ModelRoots& roots)
{
    ModelError error;
    error.status = 404;
    error.kind = QStringLiteral("not_found");
    error.message = QStringLiteral("no model \"%1\" in %2")
                        .arg(name, (roots.directories + roots.hubCaches).join(QLatin1String(", ")));
    error.suggestion = QStringLiteral("GET /models lists what is here; ids of a hub have the form ORG/NAME");
    return error;
}

ModelError beingUnloaded(const QString& id)
{
    ModelError error;
    error.status = 503;
    error.kind = QStringLiteral("busy");
    error.message = QStringLiteral("%1 is being unloaded; try again shortly").arg(id);
    return error;
}

} // namespace

struct ModelManager::Load {
    QString id;
    LoadRequest request;
    std::optional<Servable> servable; ///< of the model, before this load
    std::unique_ptr<ModelFetch> fetch;
    std::atomic<bool> cancelled = false; ///< read on the loading thread
};

ModelManager::ModelManager(ModelRegistry& registry, EngineFactory& engines, ModelFetcher* fetcher, TaskQueue& queue,
                           const Options& options)
    : m_registry(registry)
    , m_engines(engines)
    , m_fetcher(fetcher)
    , m_options(options)
    , m_fileWorker(queue, 2)
    , m_loadWorker(queue, 1)
{
    m_scanTimer.setInterval(options.scanInterval);
    connect(&m_scanTimer, &QTimer::timeout, this, [this] { scan({}); });
}

ModelManager::~ModelManager()
{
    for (const auto& load : std::as_const(m_loads)) {
        load->cancelled = true;
        load->fetch.reset(); // its connections hold the load
    }
}

void ModelManager::start(std::function<void()> done)
{
    m_scanTimer.start();
    scan(std::move(done));
}

// Looking at the disk.
// -------------------------------------------------------------------------------------------------

void ModelManager::scan(std::function<void()> done)
{
    m_fileWorker.run([roots = m_options.roots] { return scanModelFiles(roots); },
                     [this, done = std::move(done)](Outcome<QList<ModelFile>>& outcome) {
                         m_toInspect += m_registry.setFiles(outcome.take());
                         inspectNext();
                         if (done)
                             done();
                     });
}

void ModelManager::inspectNext()
{
    if (m_inspecting || m_toInspect.isEmpty())
        return;
    const QString id = m_toInspect.takeFirst();
    const KnownModel* known = m_registry.find(id);
    if (!known || known->file.path.isEmpty())
        return inspectNext();
    m_inspecting = true;
    const std::filesystem::path path = QFile::encodeName(known->file.path).toStdString();
    m_fileWorker.run([this, path] { return m_engines.inspect(path); },
                     [this, id](Outcome<engine::ModelInfo>& outcome) {
                         m_inspecting = false;
                         inspected(id, outcome);
                         inspectNext();
                     });
}

void ModelManager::inspected(const QString& id, Outcome<engine::ModelInfo>& outcome)
{
    const KnownModel* known = m_registry.find(id);
    if (!known || known->model.status == ModelStatus::Loaded)
        return; // gone, or known better by now
    try {
        const engine::ModelInfo info = outcome.take();
        m_registry.update(id, [&](NodeModel& model) {
            model.limit.context = info.contextLimit;
            model.capabilities = capabilitiesOf(info);
            if (model.status != ModelStatus::Failed) // why it failed, only a load can tell
                model.servable = Servable{};
        });
    } catch (const std::exception& error) {
        const ModelError reason = modelError(error);
        m_registry.update(id, [&](NodeModel& model) {
            if (model.status != ModelStatus::Failed)
                model.servable = Servable{false, reason.kind, reason.message};
        });
    }
}

// Loading.
// -------------------------------------------------------------------------------------------------------------

std::optional<ModelError> ModelManager::refuse(const LoadRequest& request) const
{
    ModelError error;
    error.kind = QStringLiteral("unsupported");
    if (request.harness != QLatin1String("native") && request.harness != QLatin1String("candle"))
        error.message = QStringLiteral("harness \"%1\" is not here; this neuron has \"native\"").arg(request.harness);
    else if (request.tensorParallel != 1)
        error.message =
            QStringLiteral("tensor_parallel %1: this neuron runs a model on one device").arg(request.tensorParallel);
    else if (!request.devices.isEmpty() && request.devices != QList<int>{0})
        error.message = QStringLiteral("devices: this neuron has device 0 only");
    else
        return std::nullopt;
    return error;
}

engine::LoadOptions ModelManager::engineOptions(const ModelFile& file, const LoadRequest& request) const
{
    engine::LoadOptions options;
    options.model = QFile::encodeName(file.path).toStdString();
    options.threads = m_options.threads;
    options.contextTokens = request.context;
    if (file.isSafetensors()) // of GGUF the quant is a choice among files
        options.quant = (request.quant.isEmpty() ? splitModelId(request.modelId).second : request.quant).toStdString();
    return options;
}

void ModelManager::load(const LoadRequest& request, Reply<ModelStatus> reply)
{
    if (const auto error = refuse(request))
        return reply({{}, error});
    LoadRequest wanted = request;
    if (!request.quant.isEmpty() && splitModelId(request.modelId).second.isEmpty())
        wanted.modelId += QLatin1Char(':') + request.quant;
    const QString id = m_registry.resolve(wanted.modelId);
    if (!id.isEmpty())
        return loadKnown(id, wanted, reply);
    // Perhaps it came since the last look at the disk.
    scan([this, wanted, reply = std::move(reply)] {
        const QString found = m_registry.resolve(wanted.modelId);
        if (!found.isEmpty())
            return loadKnown(found, wanted, reply);
        if (!m_fetcher || !parseModelName(wanted.modelId))
            return reply({{}, unknownModel(wanted.modelId, m_options.roots)});
        m_registry.addMissing(wanted.modelId);
        fetch(wanted.modelId, wanted, reply);
    });
}

void ModelManager::loadKnown(const QString& id, const LoadRequest& request, const Reply<ModelStatus>& reply)
{
    const KnownModel& known = *m_registry.find(id);
    switch (known.model.status) {
    case ModelStatus::Loading:
    case ModelStatus::Downloading:
        if (m_loads.value(id)->cancelled)
            return reply({{}, beingUnloaded(id)});
        [[fallthrough]];
    case ModelStatus::Loaded:
        return reply({known.model.status, {}});
    case ModelStatus::Unloading:
        return reply({{}, beingUnloaded(id)});
    case ModelStatus::Unloaded:
    case ModelStatus::Failed:
        break;
    }
    if (known.file.path.isEmpty())
        return fetch(id, request, reply);
    planThenLoad(beginLoad(id, request, ModelStatus::Loading), reply);
}

std::shared_ptr<ModelManager::Load> ModelManager::beginLoad(const QString& id, const LoadRequest& request,
                                                            ModelStatus status)
{
    auto load = std::make_shared<Load>();
    load->id = id;
    load->request = request;
    m_loads.insert(id, load);
    m_registry.update(id, [&](NodeModel& model) {
        if (model.status != ModelStatus::Failed)
            load->servable = model.servable;
        model.status = status;
        model.progress = ModelProgress{};
        model.progress->phase = toString(status);
        model.servable.reset();
    });
    return load;
}

void ModelManager::fetch(const QString& id, const LoadRequest& request, const Reply<ModelStatus>& reply)
{
    if (!m_fetcher)
        return reply({{}, unknownModel(id, m_options.roots)});
    const auto load = beginLoad(id, request, ModelStatus::Downloading);
    const auto [name, quant] = splitModelId(id);
    load->fetch.reset(m_fetcher->fetch(name, quant));
    ModelFetch* fetch = load->fetch.get();
    connect(fetch, &ModelFetch::progress, this, [this, id](const ModelProgress& progress) {
        m_registry.update(id, [&](NodeModel& model) { model.progress = progress; });
    });
    const auto endFetch = [](const std::shared_ptr<Load>& ended) { ended->fetch.release()->deleteLater(); };
    connect(fetch, &ModelFetch::finished, this, [this, endFetch, load](const QString& path) {
        const auto current = load; // disconnecting below drops this closure's copy
        endFetch(current);
        m_registry.setFile(current->id, path);
        m_registry.update(current->id, [](NodeModel& model) { model.status = ModelStatus::Loading; });
        m_toInspect.append(current->id);
        inspectNext();
        planThenLoad(current, {});
    });
    connect(fetch, &ModelFetch::failed, this, [this, endFetch, load](const QString& kind, const QString& message) {
        const auto current = load;
        endFetch(current);
        ModelError error;
        error.kind = kind;
        error.message = message;
        failLoad(current, error);
    });
    if (reply)
        reply({ModelStatus::Downloading, {}});
}

void ModelManager::planThenLoad(const std::shared_ptr<Load>& load, const Reply<ModelStatus>& reply)
{
    const engine::LoadOptions options = engineOptions(m_registry.find(load->id)->file, load->request);
    m_fileWorker.run([this, options] { return m_engines.plan(options); },
                     [this, load, reply](Outcome<engine::MemoryPlan>& outcome) {
                         std::optional<ModelError> error;
                         try {
                             error = tooLarge(outcome.take());
                         } catch (const std::exception& exception) {
                             error = modelError(exception);
                         }
                         if (!error && load->cancelled) {
                             error.emplace();
                             error->kind = QStringLiteral("cancelled");
                             error->message = QStringLiteral("the load was cancelled by an unload");
                         }
                         if (reply)
                             reply({ModelStatus::Loading, error});
                         if (!error)
                             runLoad(load);
                         else if (reply && isPassing(*error))
                             callOff(load); // who asked was told, and nobody else has to know
                         else
                             failLoad(load, *error);
                     });
}

void ModelManager::runLoad(const std::shared_ptr<Load>& load)
{
    const engine::LoadOptions options = engineOptions(m_registry.find(load->id)->file, load->request);
    using Clock = std::chrono::steady_clock;
    const auto progress = [this, load, last = Clock::time_point{}](double fraction, const std::string& what) mutable {
        const auto now = Clock::now();
        if (now - last >= ProgressInterval) {
            last = now;
            m_loadWorker.post([this, load, fraction, what] {
                if (m_loads.value(load->id) != load)
                    return;
                m_registry.update(load->id, [&](NodeModel& model) {
                    model.progress = ModelProgress{QString::fromStdString(what), fraction, 0, 0, 0};
                });
            });
        }
        return !load->cancelled.load();
    };
    qCInfo(lcModels).noquote() << "loading" << load->id;
    m_loadWorker.run(
        [this, options, progress] { return std::shared_ptr<engine::Engine>(m_engines.load(options, progress)); },
        [this, load](Outcome<std::shared_ptr<engine::Engine>>& outcome) {
            try {
                finishLoad(load, outcome.take());
            } catch (const std::exception& error) {
                failLoad(load, modelError(error));
            }
        });
}

void ModelManager::finishLoad(const std::shared_ptr<Load>& load, std::shared_ptr<engine::Engine> engine)
{
    m_loads.remove(load->id);
    const engine::MemoryPlan& memory = engine->memory();
    const auto model = std::make_shared<LoadedModel>(load->id, engine);
    m_loaded.insert(load->id, model);
    m_registry.setLoadedAt(load->id, QDateTime::currentSecsSinceEpoch());
    m_registry.update(load->id, [&](NodeModel& entry) {
        entry.status = ModelStatus::Loaded;
        entry.progress.reset();
        entry.devices = {0};
        entry.vramUsedMb = toMb(memory.totalBytes);
        entry.capabilities = capabilitiesOf(engine->info());
        entry.limit.context = memory.contextTokens;
        entry.servable = Servable{};
    });
    qCInfo(lcModels).noquote() << "loaded" << load->id << "in" << toMb(memory.totalBytes) << "MB, context"
                               << memory.contextTokens << "tokens";
    engine.reset(); // the LoadedModel alone holds it, so that freeing really frees
    if (load->cancelled) { // the unload came too late to stop it
        m_registry.update(load->id, [](NodeModel& entry) { entry.status = ModelStatus::Unloading; });
        free(model);
    }
}

void ModelManager::failLoad(const std::shared_ptr<Load>& load, const ModelError& error)
{
    if (error.kind == QLatin1String("cancelled"))
        return callOff(load);
    qCWarning(lcModels).noquote() << load->id << "cannot be loaded:" << error.message;
    m_loads.remove(load->id);
    // "load_failed" is the reason that invites another try.
    const QString reason = isPassing(error) ? QStringLiteral("load_failed") : error.kind;
    m_registry.update(load->id, [&](NodeModel& model) {
        model.status = ModelStatus::Failed;
        model.progress.reset();
        model.servable = Servable{false, reason, error.message};
    });
    settle(load->id);
}

/// The model is what it was before the load.
void ModelManager::callOff(const std::shared_ptr<Load>& load)
{
    m_loads.remove(load->id);
    m_registry.update(load->id, [&](NodeModel& model) {
        model.status = ModelStatus::Unloaded;
        model.progress.reset();
        if (!model.servable) // else its file was inspected meanwhile
            model.servable = load->servable;
    });
    settle(load->id);
}

void ModelManager::plan(const LoadRequest& request, Reply<engine::MemoryPlan> reply)
{
    if (const auto error = refuse(request))
        return reply({{}, error});
    const QString name = request.quant.isEmpty() ? request.modelId : request.modelId + QLatin1Char(':') + request.quant;
    const KnownModel* known = m_registry.find(m_registry.resolve(name));
    if (!known || known->file.path.isEmpty())
        return reply({{}, unknownModel(name, m_options.roots)});
    m_fileWorker.run([this, options = engineOptions(known->file, request)] { return m_engines.plan(options); },
                     [reply = std::move(reply)](Outcome<engine::MemoryPlan>& outcome) {
                         Answer<engine::MemoryPlan> answer;
                         try {
                             answer.value = outcome.take();
                         } catch (const std::exception& error) {
                             answer.error = modelError(error);
                         }
                         reply(answer);
                     });
}

// Unloading.
// -----------------------------------------------------------------------------------------------------------

void ModelManager::unload(const QString& name, std::chrono::milliseconds limit, Reply<ModelStatus> reply)
{
    const QString id = m_registry.resolve(name);
    if (id.isEmpty())
        return reply({{}, unknownModel(name, m_options.roots)});
    m_unloadReplies[id].append(std::move(reply));
    switch (m_registry.find(id)->model.status) {
    case ModelStatus::Unloaded:
        return settle(id);
    case ModelStatus::Failed:
        m_registry.update(id, [](NodeModel& model) {
            model.status = ModelStatus::Unloaded;
            model.servable.reset(); // the failure is forgotten; what the file tells is read again
        });
        m_toInspect.append(id);
        settle(id);
        return inspectNext();
    case ModelStatus::Downloading:
    case ModelStatus::Loading: {
        const auto load = m_loads.value(id);
        load->cancelled = true;
        if (load->fetch)
            load->fetch->cancel();
        return;
    }
    case ModelStatus::Loaded:
        return drain(m_loaded.value(id), limit);
    case ModelStatus::Unloading:
        return;
    }
}

void ModelManager::drain(const std::shared_ptr<LoadedModel>& model, std::chrono::milliseconds limit)
{
    m_registry.update(model->id(), [](NodeModel& entry) { entry.status = ModelStatus::Unloading; });
    if (model->users() == 0)
        return free(model);
    LoadedModel* draining = model.get();
    connect(draining, &LoadedModel::idle, this, [this, id = model->id()] {
        if (const auto drained = m_loaded.value(id))
            free(drained);
    });
    if (limit.count() <= 0)
        draining->revoke();
    else
        QTimer::singleShot(limit, draining, [draining] { draining->revoke(); });
}

void ModelManager::free(const std::shared_ptr<LoadedModel>& model)
{
    auto engine = model->release();
    if (!engine)
        return; // under way already
    const QString id = model->id();
    const int contextLimit = engine->info().contextLimit; // that of a load ends with it
    m_loadWorker.run(
        [engine = std::move(engine)]() mutable {
            engine.reset();
            return true;
        },
        [this, id, contextLimit](Outcome<bool>&) {
            m_loaded.remove(id);
            m_registry.update(id, [contextLimit](NodeModel& entry) {
                entry.status = ModelStatus::Unloaded;
                entry.limit.context = contextLimit;
                entry.devices.clear();
                entry.vramUsedMb = 0;
            });
            qCInfo(lcModels).noquote() << "unloaded" << id;
            settle(id);
        });
}

void ModelManager::settle(const QString& id)
{
    const ModelStatus status = m_registry.find(id)->model.status;
    const auto replies = m_unloadReplies.take(id);
    if (m_registry.find(id)->file.path.isEmpty() && status == ModelStatus::Unloaded)
        m_registry.remove(id); // nothing of it is here
    for (const auto& reply : replies)
        reply({ModelStatus::Unloaded, {}});
}

void ModelManager::unloadAll(std::chrono::milliseconds limit, std::function<void()> done)
{
    m_scanTimer.stop();
    QStringList busy;
    for (auto entry = m_registry.models().cbegin(); entry != m_registry.models().cend(); ++entry) {
        const ModelStatus status = entry->model.status;
        if (status != ModelStatus::Unloaded && status != ModelStatus::Failed)
            busy.append(entry.key());
    }
    if (busy.isEmpty())
        return done();
    const auto left = std::make_shared<qsizetype>(busy.size());
    for (const QString& id : busy) {
        unload(id, limit, [left, done](const Answer<ModelStatus>&) {
            if (--*left == 0)
                done();
        });
    }
}

// Serving.
// -------------------------------------------------------------------------------------------------------------

ModelLease ModelManager::lease(const QString& name) const
{
    const QString id = m_registry.resolve(name);
    const KnownModel* known = m_registry.find(id);
    if (!known)
        throw ApiError::modelNotFound(QStringLiteral("The model `%1` does not exist on this node").arg(name));
    switch (known->model.status) {
    case ModelStatus::Loaded:
        return ModelLease(m_loaded.value(id));
    case ModelStatus::Loading:
    case ModelStatus::Downloading:
        throw ApiError::unavailable(QStringLiteral("model_loading"),
                                    QStringLiteral("The model `%1` is still loading").arg(name), 5);
    case ModelStatus::Unloading:
        throw ApiError::unavailable(QStringLiteral("model_unloading"),
                                    QStringLiteral("The model `%1` is being unloaded").arg(name), 5);
    case ModelStatus::Unloaded:
    case ModelStatus::Failed:
        break;
    }
    throw ApiError::modelNotFound(QStringLiteral("The model `%1` is not loaded; POST /models/load loads it").arg(name));
}

std::optional<QString> ModelManager::onlyLoaded() const
{
    if (m_loaded.size() != 1)
        return std::nullopt;
    return m_loaded.cbegin().key();
}

QList<ModelActivity> ModelManager::activity() const
{
    QList<ModelActivity> list;
    for (auto entry = m_registry.models().cbegin(); entry != m_registry.models().cend(); ++entry) {
        const auto model = m_loaded.value(entry.key());
        if (!model || !model->isHeld())
            continue;
        const engine::EngineStats stats = model->engine().stats();
        ModelActivity activity;
        activity.id = entry.key();
        activity.inFlight = stats.inFlight;
        activity.maxInFlight = stats.maxInFlight;
        activity.queueDepth = stats.queueDepth;
        activity.maxQueueDepth = stats.maxQueueDepth;
        activity.kvBudgetMb = qint64(stats.kvBytes) / BytesPerMb;
        activity.kvAvailableMb = qint64(stats.kvBytesFree) / BytesPerMb;
        activity.tokensPerSecondPrefill = stats.prefillTokensPerSecond;
        activity.tokensPerSecondDecode = stats.decodeTokensPerSecond;
        activity.prefixHitTokens = qint64(stats.prefixHitTokens);
        activity.rejectedQueueFull = qint64(stats.rejectedQueueFull);
        list.append(activity);
    }
    return list;
}

QString ModelManager::activation() const
{
    if (!m_loaded.isEmpty())
        return QStringLiteral("serving");
    return m_loads.isEmpty() ? QStringLiteral("idle") : QStringLiteral("loading");
}

} // namespace cortex::neuron
