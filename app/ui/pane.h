// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QWidget>

class QBoxLayout;
class QLabel;
class QStackedWidget;

namespace cortex {

/// A titled part of the main window: a header line with room for controls, the content below it, and, where there is
/// nothing to show yet, words that say what to do instead.
class Pane : public QWidget {
    Q_OBJECT
public:
    explicit Pane(const QString& title, QWidget* parent = nullptr);

    void setContent(QWidget* content);
    void addHeaderWidget(QWidget* widget, int stretch = 0); ///< to the right of the title
    void addHeaderStretch();
    void addFooterWidget(QWidget* widget);

    /// Shows `heading` and `advice` in place of the content; an empty heading shows the content.
    void setEmptyState(const QString& heading, const QString& advice);
    bool isShowingEmptyState() const;
    QString emptyStateText() const;

protected:
    void changeEvent(QEvent* event) override;

private:
    void applyColors();

    QBoxLayout* m_header;
    QBoxLayout* m_column;
    QStackedWidget* m_stack;
    QLabel* m_heading;
    QLabel* m_advice;
};

} // namespace cortex
