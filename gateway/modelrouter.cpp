// SPDX-License-Identifier: GPL-3.0-only
#include "gateway/modelrouter.h"

#include <QPointer>

#include <algorithm>

namespace cortex {

namespace {

constexpr int tickMs = 250;

RouteError loadFailed(const QString& model, const QString& node, const QString& why)
{
    return unavailable(QStringLiteral("model_load_failed"),
                       QStringLiteral("Loading '%1' on %2 failed: %3").arg(model, node, why),
                       int(failedLoadHold.count() / 1000));
}

RouteError stopping()
{
    return unavailable(QStringLiteral("shutting_down"), QStringLiteral("The gateway is stopping."), 5);
}

RouteError conflict(const QString& message)
{
    return {.status = 409,
            .type = QStringLiteral("invalid_request_error"),
            .code = QStringLiteral("conflict"),
            .message = message};
}

} // namespace

ModelRouter::ModelRouter(FleetStore& store, NodeCommands& commands, const RouterLimits& limits, QObject* parent)
    : QObject(parent)
    , m_store(store)
    , m_commands(commands)
    , m_limits(limits)
{
    m_timer.setInterval(tickMs);
    connect(&m_timer, &QTimer::timeout, this, &ModelRouter::tick);
    connect(&m_store, &FleetStore::nodeChanged, this, &ModelRouter::review);
}

ModelRouter::~ModelRouter()
{
    shutDown();
}

void ModelRouter::shutDown()
{
    m_shutDown = true;
    for (const QString& model : m_waiters.keys())
        failWaiters(model, stopping());
}

ModelRouter::Answer ModelRouter::answerFor(const QString& model, const Decision& decision)
{
    if (decision.kind == Decision::Kind::Reject)
        return decision.error;
    m_store.edit([&](FleetState& state) { state.addLease({decision.node, model}); });
    const FleetState& state = m_store.state();
    return Lease(this, model, decision.node, state.findNode(decision.node)->endpoint,
                 state.nodeModelId(decision.node, model));
}

ModelRouter::Ticket ModelRouter::acquire(const QString& model, Ready ready)
{
    if (m_shutDown) {
        ready(stopping());
        return 0;
    }
    const qsizetype queued = waiting(model);
    // Nobody overtakes those who wait already.
    Decision decision{.kind = Decision::Kind::Wait, .node = {}, .error = {}};
    if (queued == 0)
        decision = decide(m_store.state(), model, m_store.nowMs());
    if (decision.kind == Decision::Kind::Lease || decision.kind == Decision::Kind::Reject) {
        ready(answerFor(model, decision));
        return 0;
    }
    if (queued >= m_limits.maxWaiters) {
        ready(unavailable(
            QStringLiteral("queue_full"),
            QStringLiteral("%1 requests wait for '%2' already (%3).").arg(queued).arg(model, waitReason(model)), 10));
        return 0;
    }
    const Ticket ticket = ++m_lastTicket;
    m_waiters[model].append({ticket, m_store.nowMs() + m_limits.maxWait.count(), std::move(ready)});
    watchDeadlines();
    if (decision.kind == Decision::Kind::Load)
        startLoad(model, decision.node, false);
    return ticket;
}

void ModelRouter::cancel(Ticket ticket)
{
    if (ticket == 0)
        return;
    for (auto queue = m_waiters.begin(); queue != m_waiters.end(); ++queue) {
        if (queue->removeIf([&](const Waiter& waiter) { return waiter.ticket == ticket; }) > 0) {
            if (queue->isEmpty())
                m_waiters.erase(queue);
            return;
        }
    }
}

void ModelRouter::releaseLease(const ReplicaKey& key)
{
    m_store.edit([&](FleetState& state) { state.removeLease(key); });
    serveWaiters(key.model);
}

/// Answers those who wait for `model`, in order, as far as the state allows. The state is consistent at each call of
/// `ready`, which may come back into the router.
void ModelRouter::serveWaiters(const QString& model)
{
    while (m_waiters.contains(model)) {
        const Decision decision = decide(m_store.state(), model, m_store.nowMs());
        switch (decision.kind) {
        case Decision::Kind::Wait:
            return;
        case Decision::Kind::Load:
            startLoad(model, decision.node, false);
            return;
        case Decision::Kind::Reject:
            failWaiters(model, decision.error);
            return;
        case Decision::Kind::Lease: {
            QList<Waiter>& queue = m_waiters[model];
            const Ready ready = std::move(queue.first().ready);
            queue.removeFirst();
            if (queue.isEmpty())
                m_waiters.remove(model);
            ready(answerFor(model, decision));
            break;
        }
        }
    }
}

void ModelRouter::failWaiters(const QString& model, const RouteError& error)
{
    const QList<Waiter> waiters = m_waiters.take(model);
    for (const Waiter& waiter : waiters)
        waiter.ready(error);
}

void ModelRouter::startLoad(const QString& model, const QString& node, bool byOperator, OperationDone done)
{
    const quint64 order = ++m_lastOrder;
    m_store.edit([&](FleetState& state) {
        PendingLoad load;
        load.order = order;
        load.node = node;
        load.byOperator = byOperator;
        state.setLoad(model, load);
        state.removeFailure({node, model});
    });
    watchDeadlines();
    Q_EMIT loadStarted(model, node, byOperator);
    const CatalogueModel* entry = m_store.state().catalogueModel(model);
    const QPointer<ModelRouter> self(this);
    m_commands.load(node, m_store.state().nodeModelId(node, model), entry ? entry->quant : QString(),
                    [self, model, node, order, done = std::move(done)](const std::optional<QString>& error) {
                        if (!self)
                            return;
                        if (done) {
                            Operation operation{.node = node, .done = false, .ordered = true, .error = {}};
                            if (error) {
                                operation.error = loadFailed(model, node, *error);
                                operation.error->status = 422;
                            }
                            done(operation);
                        }
                        self->orderAnswered(model, order, error);
                    });
}

void ModelRouter::orderAnswered(const QString& model, quint64 order, const std::optional<QString>& error)
{
    std::optional<PendingLoad> load = m_store.state().load(model);
    if (!load || load->order != order)
        return;
    if (error) {
        endLoad(model, *error);
        return;
    }
    load->accepted = true;
    load->acceptedAtMs = m_store.nowMs();
    m_store.edit([&](FleetState& state) { state.setLoad(model, *load); });
    reviewLoad(model);
}

/// Looks at what the node reports of a load under way: rule 7.
void ModelRouter::reviewLoad(const QString& model)
{
    std::optional<PendingLoad> load = m_store.state().load(model);
    if (!load)
        return;
    const NodeSnapshot* node = m_store.state().findNode(load->node);
    if (!node || node->status != NodeStatus::Online) {
        endLoad(model, QStringLiteral("the node went away"));
        return;
    }
    const NodeModel* here = m_store.state().modelOn(load->node, model);
    const ModelStatus status = here ? here->status : ModelStatus::Unloaded;
    const bool working = status == ModelStatus::Loading || status == ModelStatus::Downloading;
    if (working && !load->seenWorking) {
        load->seenWorking = true;
        m_store.edit([&](FleetState& state) { state.setLoad(model, *load); });
    }
    const bool overdue =
        load->accepted && !load->seenWorking && m_store.nowMs() - load->acceptedAtMs > m_limits.silentLoad.count();
    if (status == ModelStatus::Loaded) {
        endLoad(model, {});
    } else if (status == ModelStatus::Failed && (load->seenWorking || overdue)) {
        const QString why = here->servable ? here->servable->detail : QString();
        endLoad(model, why.isEmpty() ? QStringLiteral("the node gives no reason") : why);
    } else if (!working && load->seenWorking) {
        endLoad(model, QStringLiteral("it was called off on the node"));
    } else if (overdue) {
        endLoad(model, QStringLiteral("the node took the order and never reported on it"));
    }
}

void ModelRouter::endLoad(const QString& model, const QString& error)
{
    const std::optional<PendingLoad> load = m_store.state().load(model);
    m_store.edit([&](FleetState& state) {
        state.removeLoad(model);
        if (!error.isEmpty())
            state.setFailure({load->node, model}, {error, m_store.nowMs()});
    });
    Q_EMIT loadEnded(model, load->node, load->byOperator, error);
    if (error.isEmpty())
        serveWaiters(model);
    else
        failWaiters(model, loadFailed(model, load->node, error));
}

void ModelRouter::load(const QString& model, const QString& node, OperationDone done)
{
    const FleetState& state = m_store.state();
    const auto refuse = [&](const RouteError& error) {
        done({.node = node, .done = false, .ordered = false, .error = error});
    };
    if (state.resolve(model).isEmpty()) {
        refuse(modelNotFound(model));
        return;
    }
    if (const std::optional<PendingLoad> load = state.load(model)) {
        if (node.isEmpty() || node == load->node)
            done({.node = load->node, .done = false, .ordered = false, .error = {}});
        else
            refuse(conflict(QStringLiteral("'%1' is loading on %2; wait until that ends.").arg(model, load->node)));
        return;
    }
    if (node.isEmpty()) {
        const QString serving = servingNode(state, model);
        if (!serving.isEmpty()) {
            done({.node = serving, .done = true, .ordered = false, .error = {}});
            return;
        }
        const QString working = workingNode(state, model);
        if (!working.isEmpty()) {
            done({.node = working, .done = false, .ordered = false, .error = {}});
            return;
        }
    }
    if (!node.isEmpty()) {
        if (isServing(state, node, model)) {
            done({.node = node, .done = true, .ordered = false, .error = {}});
            return;
        }
        const QString reason = obstacle(state, node, model, m_store.nowMs(), FailedLoads::Ignored);
        if (!reason.isEmpty()) {
            refuse(conflict(QStringLiteral("%1 cannot load '%2': %3.").arg(node, model, reason)));
            return;
        }
        startLoad(model, node, true, std::move(done));
        return;
    }
    const Decision placed = place(state, model, m_store.nowMs(), FailedLoads::Ignored);
    if (placed.kind == Decision::Kind::Load)
        startLoad(model, placed.node, true, std::move(done));
    else
        refuse(placed.error);
}

void ModelRouter::unload(const QString& model, const QString& node, OperationDone done)
{
    const FleetState& state = m_store.state();
    if (state.resolve(model).isEmpty()) {
        done({.node = node, .done = false, .ordered = false, .error = modelNotFound(model)});
        return;
    }
    QStringList targets;
    for (int i = 0; i < state.nodeCount(); ++i) {
        const NodeSnapshot& here = state.node(i);
        const NodeModel* listed = state.modelOn(here.name, model);
        if ((node.isEmpty() || node == here.name) && here.status == NodeStatus::Online && listed
            && listed->status != ModelStatus::Unloaded && listed->status != ModelStatus::Failed)
            targets.append(here.name);
    }
    if (targets.isEmpty()) {
        const QString where = node.isEmpty() ? QStringLiteral("any node") : node;
        done({.node = node,
              .done = false,
              .ordered = false,
              .error = conflict(QStringLiteral("'%1' is not loaded on %2.").arg(model, where))});
        return;
    }
    // The answer waits for every node; the first refusal stands for all.
    struct Tally {
        qsizetype open = 0;
        Operation operation;
        OperationDone done;
    };
    const auto tally = std::make_shared<Tally>();
    *tally = {targets.size(), {.node = targets.first(), .done = true, .ordered = true, .error = {}}, std::move(done)};
    for (const QString& target : targets) {
        retire({target, model}, [tally, target, model](const std::optional<QString>& error) {
            if (error && !tally->operation.error) {
                tally->operation.node = target;
                tally->operation.error =
                    conflict(QStringLiteral("Unloading '%1' on %2 failed: %3").arg(model, target, *error));
            }
            if (--tally->open == 0)
                tally->done(tally->operation);
        });
    }
    // Who waited for a place there may find one elsewhere.
    serveWaiters(model);
}

/// Takes a replica out of the choice before its node hears of it, so that no request is sent where the model is going.
void ModelRouter::retire(const ReplicaKey& key, NodeCommands::Done done)
{
    m_store.edit([&](FleetState& state) { state.setRetiring(key, 0); });
    watchDeadlines();
    const QPointer<ModelRouter> self(this);
    m_commands.unload(key.node, m_store.state().nodeModelId(key.node, key.model),
                      [self, key, done = std::move(done)](const std::optional<QString>& error) {
                          done(error);
                          if (!self)
                              return;
                          self->m_store.edit([&](FleetState& state) {
                              if (error)
                                  state.removeRetiring(key);
                              else if (state.isRetiring(key))
                                  state.setRetiring(key, self->m_store.nowMs());
                          });
                          self->serveWaiters(key.model);
                      });
}

void ModelRouter::reviewRetiring()
{
    const QHash<ReplicaKey, qint64> retiring = m_store.state().retiring();
    for (auto entry = retiring.begin(); entry != retiring.end(); ++entry) {
        const ReplicaKey& key = entry.key();
        const NodeModel* here = m_store.state().modelOn(key.node, key.model);
        const NodeSnapshot* node = m_store.state().findNode(key.node);
        const bool there = here && (here->status == ModelStatus::Loaded || here->status == ModelStatus::Unloading);
        // Unloaded long ago and reported as loaded: somebody has loaded it again, unseen between two polls.
        const bool stale = entry.value() > 0 && m_store.nowMs() - entry.value() > m_limits.silentLoad.count();
        if (!there || stale || node->status != NodeStatus::Online)
            m_store.edit([&](FleetState& state) { state.removeRetiring(key); });
    }
}

void ModelRouter::review()
{
    reviewRetiring();
    for (const QString& model : m_store.state().loads().keys())
        reviewLoad(model);
    for (const QString& model : m_waiters.keys())
        serveWaiters(model);
    watchDeadlines();
}

/// A failure is told and held against its node for the time of rule 6; from then on the node's own word stands.
void ModelRouter::forgetFailures()
{
    if (!m_store.state().failures().isEmpty())
        m_store.edit([&](FleetState& state) { state.forgetFailures(m_store.nowMs() - failedLoadHold.count()); });
}

bool ModelRouter::hasDeadlines() const
{
    const FleetState& state = m_store.state();
    return !m_waiters.isEmpty() || !state.loads().isEmpty() || !state.retiring().isEmpty()
        || !state.failures().isEmpty();
}

/// Lets the timer run. One that runs already is left alone: to start it again would put its next tick off.
void ModelRouter::watchDeadlines()
{
    if (!m_timer.isActive() && hasDeadlines())
        m_timer.start();
}

void ModelRouter::tick()
{
    review();
    forgetFailures();
    const qint64 now = m_store.nowMs();
    QList<QPair<QString, Waiter>> late;
    for (auto queue = m_waiters.begin(); queue != m_waiters.end();) {
        for (const Waiter& waiter : std::as_const(*queue)) {
            if (waiter.deadlineMs <= now)
                late.append({queue.key(), waiter});
        }
        queue->removeIf([&](const Waiter& waiter) { return waiter.deadlineMs <= now; });
        queue = queue->isEmpty() ? m_waiters.erase(queue) : std::next(queue);
    }
    for (const auto& [model, waiter] : late) {
        waiter.ready(unavailable(QStringLiteral("wait_timeout"),
                                 QStringLiteral("'%1' was not ready in time (%2).").arg(model, waitReason(model)), 30));
    }
    if (!hasDeadlines())
        m_timer.stop();
}

QHash<QString, int> ModelRouter::waiting() const
{
    QHash<QString, int> counts;
    for (auto queue = m_waiters.begin(); queue != m_waiters.end(); ++queue)
        counts.insert(queue.key(), int(queue->size()));
    return counts;
}

QString ModelRouter::waitReason(const QString& model) const
{
    const FleetState& state = m_store.state();
    const QString node = workingNode(state, model);
    if (!node.isEmpty()) {
        const NodeModel* here = state.modelOn(node, model);
        QString text = QStringLiteral("%1 %2 on %3").arg(toString(here->status), model, node);
        if (here->progress)
            text += QStringLiteral(", %1 %").arg(int(here->progress->fraction * 100));
        return text;
    }
    if (const std::optional<PendingLoad> load = state.load(model))
        return QStringLiteral("loading %1 on %2").arg(model, load->node);
    return QStringLiteral("waiting for a place at %1").arg(model);
}

} // namespace cortex
