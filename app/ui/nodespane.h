// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/pane.h"

class QTreeView;

namespace cortex {

class FleetController;

/// The fleet's nodes and their devices.
class NodesPane : public Pane {
    Q_OBJECT
public:
    explicit NodesPane(FleetController& controller, QWidget* parent = nullptr);
    QTreeView* view() const { return m_view; }

private:
    void updateEmptyState();

    FleetController& m_controller;
    QTreeView* m_view;
};

} // namespace cortex
