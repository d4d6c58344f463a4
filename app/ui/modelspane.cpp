// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/modelspane.h"

#include "app/models/fleetcontroller.h"
#include "app/ui/icons.h"
#include "app/ui/statedelegate.h"

#include <QAction>
#include <QClipboard>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLineEdit>
#include <QMenu>
#include <QSortFilterProxyModel>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QToolButton>

namespace cortex {

namespace {

/// Ids are cut in their middle, sentences at their end.
class DetailsDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

protected:
    void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override
    {
        QStyledItemDelegate::initStyleOption(option, index);
        option->textElideMode = Qt::ElideRight;
    }
};

QToolButton* makeButton(QAction* action, QWidget* parent)
{
    auto* button = new QToolButton(parent);
    button->setDefaultAction(action);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setFocusPolicy(Qt::TabFocus);
    button->setAccessibleName(action->toolTip());
    return button;
}

} // namespace

ModelsPane::ModelsPane(FleetController& controller, QWidget* parent)
    : Pane(tr("Models"), parent)
    , m_controller(controller)
    , m_sorted(new QSortFilterProxyModel(this))
    , m_view(new QTableView(this))
    , m_filter(new QLineEdit(this))
{
    m_sorted->setSourceModel(controller.models());
    m_sorted->setSortRole(FleetModelsModel::SortRole);
    m_sorted->setSortCaseSensitivity(Qt::CaseInsensitive);
    m_sorted->setFilterRole(FleetModelsModel::IdRole);
    m_sorted->setFilterCaseSensitivity(Qt::CaseInsensitive);

    createActions();
    createView();
    m_filter->setPlaceholderText(tr("Filter models"));
    m_filter->setObjectName(QStringLiteral("filter"));
    m_filter->setAccessibleName(tr("Filter models by name"));
    m_filter->setClearButtonEnabled(true);
    m_filter->setMaximumWidth(260);
    connect(m_filter, &QLineEdit::textChanged, m_sorted, &QSortFilterProxyModel::setFilterFixedString);
    addHeaderStretch();
    addHeaderWidget(m_filter, 1);
    addHeaderWidget(makeButton(m_load, this));
    addHeaderWidget(makeButton(m_unload, this));
    setContent(m_view);

    connect(&controller, &FleetController::fleetChanged, this, &ModelsPane::updateActions);
    connect(&controller, &FleetController::fleetChanged, this, &ModelsPane::updateEmptyState);
    connect(&controller, &FleetController::stateChanged, this, &ModelsPane::updateActions);
    connect(m_view->selectionModel(), &QItemSelectionModel::selectionChanged, this, &ModelsPane::updateActions);
    updateActions();
    updateEmptyState();
}

void ModelsPane::createActions()
{
    m_load = new QAction(symbolIcon(QStringLiteral("load")), tr("&Load"), this);
    m_load->setToolTip(tr("Load the selected model where the gateway finds room"));
    m_load->setShortcut(Qt::CTRL | Qt::Key_L);
    m_load->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(m_load, &QAction::triggered, this, [this] { m_controller.loadModel(selectedModel()); });

    m_unload = new QAction(symbolIcon(QStringLiteral("unload")), tr("&Unload"), this);
    m_unload->setToolTip(tr("Unload the selected model everywhere"));
    m_unload->setShortcut(Qt::CTRL | Qt::Key_U);
    m_unload->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(m_unload, &QAction::triggered, this, [this] { m_controller.unloadModel(selectedModel()); });

    m_copyId = new QAction(symbolIcon(QStringLiteral("copy")), tr("&Copy Id"), this);
    m_copyId->setToolTip(tr("Copy the selected model's id"));
    m_copyId->setShortcut(Qt::CTRL | Qt::SHIFT | Qt::Key_C);
    connect(m_copyId, &QAction::triggered, this, [this] { QGuiApplication::clipboard()->setText(selectedModel()); });

    m_chat = new QAction(symbolIcon(QStringLiteral("send")), tr("C&hat with This Model"), this);
    m_chat->setShortcut(Qt::CTRL | Qt::Key_Return);
    m_chat->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(m_chat, &QAction::triggered, this, [this] { Q_EMIT chatRequested(selectedModel()); });
    // In the list alone: in a text field, Ctrl+U means to clear the line.
    m_view->addActions({m_load, m_unload, m_chat});
}

void ModelsPane::createView()
{
    m_view->setObjectName(QStringLiteral("models"));
    m_view->setAccessibleName(tr("Models of the fleet"));
    // Connected before the view is, which would go on to the neighbour of a current row that leaves.
    connect(m_sorted, &QAbstractItemModel::rowsAboutToBeRemoved, this,
            [this](const QModelIndex&, int first, int last) { deselect(first, last); });
    m_view->setModel(m_sorted);
    m_view->setItemDelegateForColumn(FleetModelsModel::StateColumn, new StateDelegate(m_view));
    m_view->setItemDelegateForColumn(FleetModelsModel::DetailsColumn, new DetailsDelegate(m_view));
    m_view->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_view->setTabKeyNavigation(false);
    m_view->setShowGrid(false);
    m_view->setWordWrap(false);
    m_view->setTextElideMode(Qt::ElideMiddle);
    m_view->setSortingEnabled(true);
    m_view->sortByColumn(FleetModelsModel::NameColumn, Qt::AscendingOrder);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);

    const int line = m_view->fontMetrics().height();
    m_view->verticalHeader()->hide();
    m_view->verticalHeader()->setDefaultSectionSize(2 * line + 6);
    QHeaderView* header = m_view->horizontalHeader();
    header->setHighlightSections(false);
    header->setMinimumSectionSize(3 * line);
    header->setSectionResizeMode(FleetModelsModel::NameColumn, QHeaderView::Stretch);
    header->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    header->resizeSection(FleetModelsModel::StateColumn, 14 * line);
    header->resizeSection(FleetModelsModel::DetailsColumn, 11 * line);
    header->resizeSection(FleetModelsModel::SpeedColumn, 4 * line);
    header->resizeSection(FleetModelsModel::InFlightColumn, 5 * line);

    connect(m_view, &QTableView::activated, m_chat, &QAction::trigger);
    m_view->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(m_view, &QWidget::customContextMenuRequested, this, [this](const QPoint& position) {
        if (selectedModel().isEmpty())
            return;
        QMenu* menu = createContextMenu();
        menu->setAttribute(Qt::WA_DeleteOnClose);
        menu->popup(m_view->viewport()->mapToGlobal(position));
    });
}

QMenu* ModelsPane::createContextMenu()
{
    const QString id = selectedModel();
    auto* menu = new QMenu(this);
    menu->addAction(m_chat);
    menu->addSeparator();
    menu->addAction(m_load);
    QMenu* loadOn = menu->addMenu(tr("Load &on"));
    const QStringList targets = m_controller.loadTargets(id);
    for (const QString& node : targets)
        loadOn->addAction(node, this, [this, id, node] { m_controller.loadModel(id, node); });
    loadOn->setEnabled(!targets.isEmpty());
    menu->addAction(m_unload);
    QMenu* unloadFrom = menu->addMenu(tr("Unload &from"));
    const QStringList holders = m_controller.loadedOn(id);
    for (const QString& node : holders)
        unloadFrom->addAction(node, this, [this, id, node] { m_controller.unloadModel(id, node); });
    unloadFrom->setEnabled(!holders.isEmpty());
    menu->addSeparator();
    menu->addAction(m_copyId);
    return menu;
}

QString ModelsPane::selectedModel() const
{
    const QModelIndexList rows = m_view->selectionModel()->selectedRows();
    return rows.isEmpty() ? QString() : rows.first().data(FleetModelsModel::IdRole).toString();
}

void ModelsPane::selectModel(const QString& id)
{
    const int row = m_controller.models()->rowOf(id);
    if (row >= 0)
        m_view->selectRow(m_sorted->mapFromSource(m_controller.models()->index(row, 0)).row());
}

/// The selected model leaves the list: the actions must not aim at another one instead.
void ModelsPane::deselect(int firstRow, int lastRow)
{
    const int row = m_view->currentIndex().row();
    if (row >= firstRow && row <= lastRow)
        m_view->selectionModel()->clear();
}

void ModelsPane::updateActions()
{
    const QString id = selectedModel();
    m_load->setEnabled(m_controller.canLoad(id));
    m_unload->setEnabled(m_controller.canUnload(id));
    m_copyId->setEnabled(!id.isEmpty());
    m_chat->setEnabled(!id.isEmpty());
}

void ModelsPane::updateEmptyState()
{
    if (m_controller.models()->rowCount() > 0)
        setEmptyState({}, {});
    else if (!m_controller.hasSnapshot())
        setEmptyState(tr("Waiting for the gateway"), tr("The models appear when it runs."));
    else
        setEmptyState(tr("No model yet"),
                      tr("Fetch one on a node with “neuron pull ORG/NAME”, or list models in models.toml."));
}

} // namespace cortex
