// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QMainWindow>

class QLabel;
class QLineEdit;
class QSplitter;

namespace cortex {

class ChatPane;
class FleetController;
class ModelsPane;
class NodesPane;
class NoticeBar;
class Pane;
class ThroughputPane;

/// The console's window: nodes, models and throughput, chat side by side. It keeps no state of its own beyond the
/// layout.
class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(FleetController& controller, QWidget* parent = nullptr);

    /// Size, position, the panes' proportions and which are shown, for the next start; restoring ignores what it does
    /// not understand.
    QByteArray saveLayout() const;
    void restoreLayout(const QByteArray& layout);

    NodesPane* nodes() const { return m_nodes; }
    ModelsPane* models() const { return m_models; }
    ThroughputPane* throughput() const { return m_throughput; }
    ChatPane* chat() const { return m_chat; }
    NoticeBar* notice() const { return m_notice; }
    QString shownEndpoint() const;
    QString shownState() const;

protected:
    void changeEvent(QEvent* event) override;

private:
    void createToolBar();
    void createPanes();
    void createMenus();
    void addPaneAction(QMenu* menu, const QString& text, Pane* pane, QWidget* focus, int number);
    void updateState();
    void askAfterFailure();
    void showAbout();

    FleetController& m_controller;
    QLineEdit* m_endpoint;
    QAction* m_copyEndpoint;
    QAction* m_restart;
    NoticeBar* m_notice;
    QSplitter* m_columns;
    QSplitter* m_centre;
    NodesPane* m_nodes;
    ModelsPane* m_models;
    ThroughputPane* m_throughput;
    ChatPane* m_chat;
    QLabel* m_stateDot;
    QLabel* m_state;
};

} // namespace cortex
