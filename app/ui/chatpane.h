// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/ui/pane.h"

class QAction;
class QBoxLayout;
class QComboBox;
class QPlainTextEdit;
class QPushButton;
class QScrollArea;

namespace cortex {

class FleetController;
class MessageView;

/// A conversation with a model of the fleet, through the gateway as any client would.
class ChatPane : public Pane {
    Q_OBJECT
public:
    explicit ChatPane(FleetController& controller, QWidget* parent = nullptr);

    QAction* newAction() const { return m_new; }
    QAction* stopAction() const { return m_stop; }
    QAction* regenerateAction() const { return m_regenerate; }
    QAction* copyAction() const { return m_copy; }
    QPlainTextEdit* input() const { return m_input; }
    QComboBox* modelChoice() const { return m_models; }
    QPushButton* sendButton() const { return m_send; }
    const QList<MessageView*>& messages() const { return m_messages; }

    void chooseModel(const QString& id);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void createActions();
    void createHeader();
    void createTranscript();
    void createInput();
    void send();
    void insertMessages(int first, int last);
    void removeMessages(int first, int last);
    void updateMessage(int row);
    void chooseDefaultModel();
    void showModel();
    void updateState();
    void updateEmptyState();

    FleetController& m_controller;
    bool m_userChose = false; ///< the operator picked a model: no other is picked for them
    bool m_followsEnd = true; ///< the end of the conversation is in view and stays so
    QAction* m_new;
    QAction* m_stop;
    QAction* m_regenerate;
    QAction* m_copy;
    QComboBox* m_models;
    QScrollArea* m_scroll;
    QBoxLayout* m_column;
    QList<MessageView*> m_messages; ///< one for each row of the transcript
    QPlainTextEdit* m_input;
    QPushButton* m_send;
};

} // namespace cortex
