// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QFrame>

class QLabel;
class QToolButton;

namespace cortex {

/// A line at the top of the window that says what went wrong with an operator's action, until it is dismissed.
class NoticeBar : public QFrame {
    Q_OBJECT
public:
    explicit NoticeBar(QWidget* parent = nullptr);

    void showMessage(const QString& message);
    QString message() const; ///< empty while hidden

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void drawIcon();

    QLabel* m_icon;
    QLabel* m_text;
    QToolButton* m_dismiss;
};

} // namespace cortex
