// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

namespace cortex {

/// Turns SIGINT and SIGTERM into a Qt signal, for a clean shutdown; ignores SIGPIPE. The same one again ends the
/// process at once, so that a shutdown that hangs can be cut short; the other one does not, because a Ctrl-C in a
/// terminal reaches a whole process group, whose leader then often sends SIGTERM too. One instance, created on the
/// thread that is to be told.
class TerminationSignals : public QObject {
    Q_OBJECT
public:
    explicit TerminationSignals(QObject* parent = nullptr);
    ~TerminationSignals() override; ///< restores the default actions

Q_SIGNALS:
    void received(int signal); ///< once: the first that came

private:
    void read();
    int m_pipe[2] = {-1, -1};
    bool m_received = false;
};

} // namespace cortex
