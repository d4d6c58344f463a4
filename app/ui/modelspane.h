// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/pane.h"

class QAction;
class QLineEdit;
class QMenu;
class QSortFilterProxyModel;
class QTableView;

namespace cortex {

class FleetController;

/// The fleet's models: sortable, searchable, with the operator's actions on the selected one.
class ModelsPane : public Pane {
    Q_OBJECT
public:
    explicit ModelsPane(FleetController& controller, QWidget* parent = nullptr);

    QTableView* view() const { return m_view; }
    QAction* loadAction() const { return m_load; }
    QAction* unloadAction() const { return m_unload; }
    QAction* copyIdAction() const { return m_copyId; }
    QAction* chatAction() const { return m_chat; }

    QString selectedModel() const; ///< id; empty: none
    void selectModel(const QString& id);
    /// The menu for the selected model; the caller owns it.
    QMenu* createContextMenu();

Q_SIGNALS:
    void chatRequested(const QString& id);

private:
    void createView();
    void createActions();
    void deselect(int firstRow, int lastRow);
    void updateActions();
    void updateEmptyState();

    FleetController& m_controller;
    QSortFilterProxyModel* m_sorted;
    QTableView* m_view;
    QLineEdit* m_filter;
    QAction* m_load;
    QAction* m_unload;
    QAction* m_copyId;
    QAction* m_chat;
};

} // namespace cortex
