// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "app/models/chattranscript.h"

#include <QFrame>
#include <QTimer>

class QLabel;
class QToolButton;

namespace cortex {

class MessageBody;

/// One message of a conversation: who, the text, and below it how it went. Text that streams in is added as plain text,
/// at most thirty times a second and more seldom where that takes long; Markdown is rendered once, when the message is
/// whole.
class MessageView : public QFrame {
    Q_OBJECT
public:
    explicit MessageView(const ChatMessage& message, QWidget* parent = nullptr);

    void appendText(const QString& delta);
    void appendReasoning(const QString& delta);
    void setMessage(const ChatMessage& message); ///< everything but the growing texts

    /// Its buttons and texts take the focus after `previous`, and before what followed that.
    void setTabOrderAfter(QWidget* previous);
    QWidget* lastInTabOrder() const;

    QString shownText() const;
    QString shownError() const;
    QString shownFooter() const;
    /// For how long text is collected before it is added, in milliseconds.
    int flushInterval() const { return m_flushTimer.interval(); }

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void createWidgets();
    void flush();
    void showWhole(const ChatMessage& message);
    void showReasoning(bool show);
    void applyColors();
    static QString footerText(const ChatMessage& message);

    bool m_isUser;
    bool m_isWhole = false;
    QString m_text; ///< as it came, for copying
    QString m_pendingText;
    QString m_pendingReasoning;
    QTimer m_flushTimer;

    QLabel* m_author;
    QToolButton* m_copy;
    QToolButton* m_reasoningToggle;
    MessageBody* m_reasoning;
    MessageBody* m_body;
    QLabel* m_error;
    QLabel* m_footer;
};

} // namespace cortex
