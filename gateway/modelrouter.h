// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "gateway/fleetstore.h"
#include "gateway/lease.h"
#include "gateway/nodecommands.h"
#include "gateway/placement.h"

#include <QHash>
#include <QList>
#include <QObject>
#include <QTimer>

#include <chrono>
#include <functional>
#include <variant>

namespace cortex {

struct RouterLimits {
    int maxWaiters = 256; ///< of one model
    std::chrono::milliseconds maxWait{10 * 60'000}; ///< of one request
    std::chrono::milliseconds silentLoad{
        30'000}; ///< an order that was taken and never shows in the node's reports has failed
};

/// Gives requests their replica and starts loads: the rules of gateway/README.md. Nothing in it blocks; a model that is
/// loading holds up nobody but the requests for it. Lives on the gateway's thread.
class ModelRouter : public QObject {
    Q_OBJECT
public:
    using Answer = std::variant<Lease, RouteError>;
    using Ready = std::function<void(Answer answer)>;
    using Ticket = quint64; ///< names a waiting request; 0: none

    ModelRouter(FleetStore& store, NodeCommands& commands, const RouterLimits& limits = {}, QObject* parent = nullptr);
    ~ModelRouter() override; ///< answers all who wait: the gateway is stopping

    /// Asks for a lease on `model` (a resolved id). `ready` is called exactly once unless the ticket is cancelled:
    /// before acquire returns (then the ticket is 0), or later.
    Ticket acquire(const QString& model, Ready ready);
    /// The client has left; `ready` will not be called. A ticket that has been answered is ignored.
    void cancel(Ticket ticket);
    /// Answers all who wait with 503 and refuses newcomers.
    void shutDown();

    /// What the operator asked came to: the node, or why not.
    struct Operation {
        QString node; ///< where; of an unload of several replicas: the first
        bool done = false; ///< already so; false: under way
        bool ordered = false; ///< the node was asked: a load's end is also told by loadEnded
        std::optional<RouteError> error;
    };
    using OperationDone = std::function<void(const Operation& operation)>;
    /// Loads `model` on `node`, or where placement says. `done` is called once, when the node has taken the order.
    void load(const QString& model, const QString& node, OperationDone done);
    /// Unloads `model` from `node`, or from every node that has it loaded.
    void unload(const QString& model, const QString& node, OperationDone done);

    int waiting(const QString& model) const { return int(m_waiters.value(model).size()); }
    QHash<QString, int> waiting() const;
    /// What a request for `model` is waiting for, in a few words: "loading X on Y, 42 %".
    QString waitReason(const QString& model) const;

Q_SIGNALS:
    void loadStarted(const QString& model, const QString& node, bool byOperator);
    void loadEnded(const QString& model, const QString& node, bool byOperator, const QString& error); ///< empty: loaded

private:
    friend class Lease;
    void releaseLease(const ReplicaKey& key);

    struct Waiter {
        Ticket ticket = 0;
        qint64 deadlineMs = 0;
        Ready ready;
    };
    Answer answerFor(const QString& model, const Decision& decision);
    void serveWaiters(const QString& model);
    void failWaiters(const QString& model, const RouteError& error);
    void startLoad(const QString& model, const QString& node, bool byOperator, OperationDone done = {});
    void orderAnswered(const QString& model, quint64 order, const std::optional<QString>& error);
    void reviewLoad(const QString& model);
    void endLoad(const QString& model, const QString& error);
    void retire(const ReplicaKey& key, NodeCommands::Done done);
    void reviewRetiring();
    void review();
    void tick();
    void forgetFailures();
    bool hasDeadlines() const;
    void watchDeadlines();

    FleetStore& m_store;
    NodeCommands& m_commands;
    RouterLimits m_limits;
    QHash<QString, QList<Waiter>> m_waiters; ///< by model, in order of arrival
    Ticket m_lastTicket = 0;
    quint64 m_lastOrder = 0;
    bool m_shutDown = false;
    QTimer m_timer; ///< deadlines of waiters and of silent loads, and the end of a failure's hold
};

} // namespace cortex
