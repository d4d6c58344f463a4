// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

namespace cortex::cli {

/// Turns SIGTERM and SIGINT into a Qt signal on the event loop. One per process; the second signal of a kind ends the process
/// at once, for the impatient.
class UnixSignals : public QObject {
    Q_OBJECT
public:
    explicit UnixSignals(QObject* parent = nullptr);

Q_SIGNALS:
    void asked(); ///< to stop
};

} // namespace cortex::cli
