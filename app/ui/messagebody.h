// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QTextBrowser>

namespace cortex {

/// The text of one message, as high as it needs to be. What it shows may come from a model: it runs no HTML, loads no
/// image and opens only web links, on a click.
class MessageBody : public QTextBrowser {
    Q_OBJECT
public:
    explicit MessageBody(QWidget* parent = nullptr);

    /// Adds to the end without laying out again what stands before.
    void appendPlain(const QString& text);
    void showPlain(const QString& text);
    void showMarkdown(const QString& text);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;

private:
    void adoptDocument();
    void fitHeight();

    QTextDocument* m_whole = nullptr; ///< what showMarkdown() made; a child
};

} // namespace cortex
