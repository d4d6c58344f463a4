// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/nodespane.h"

#include "app/models/fleetcontroller.h"
#include "app/ui/nodedelegate.h"

#include <QTreeView>

namespace cortex {

NodesPane::NodesPane(FleetController& controller, QWidget* parent)
    : Pane(tr("Nodes"), parent)
    , m_controller(controller)
    , m_view(new QTreeView(this))
{
    m_view->setObjectName(QStringLiteral("nodes"));
    m_view->setAccessibleName(tr("Nodes and their devices"));
    m_view->setModel(controller.nodes());
    m_view->setItemDelegate(new NodeDelegate(m_view));
    m_view->setHeaderHidden(true);
    m_view->setIndentation(18);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_view->setExpandsOnDoubleClick(true);
    setContent(m_view);
    addHeaderStretch();

    // Nodes start open; one that the operator closed stays closed.
    connect(controller.nodes(), &QAbstractItemModel::rowsInserted, this,
            [this](const QModelIndex& node, int first, int last) {
                if (node.isValid() && first == 0 && last + 1 == m_controller.nodes()->rowCount(node))
                    m_view->expand(node);
                updateEmptyState();
            });
    connect(controller.nodes(), &QAbstractItemModel::rowsRemoved, this, &NodesPane::updateEmptyState);
    connect(&controller, &FleetController::fleetChanged, this, &NodesPane::updateEmptyState);
    m_view->expandAll();
    updateEmptyState();
}

void NodesPane::updateEmptyState()
{
    if (m_controller.nodes()->nodeCount() > 0)
        setEmptyState({}, {});
    else if (!m_controller.hasSnapshot())
        setEmptyState(tr("Waiting for the gateway"), tr("The nodes appear when it runs."));
    else
        setEmptyState(
            tr("No node yet"),
            tr("Start neuron on a machine, add it to cortex.toml under [[neurons]], and start the console again."));
}

} // namespace cortex
