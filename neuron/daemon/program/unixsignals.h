// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QObject>

namespace cortex::neuron {

/// SIGTERM and SIGINT as a Qt signal. The first one asks; the handlers are gone then, so that a second one ends the
/// program at once. One per program.
class UnixSignals : public QObject {
    Q_OBJECT
public:
    UnixSignals();
    ~UnixSignals() override;

Q_SIGNALS:
    void terminate();
};

} // namespace cortex::neuron
