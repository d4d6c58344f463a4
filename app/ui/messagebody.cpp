// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/messagebody.h"

#include <QAbstractTextDocumentLayout>
#include <QDesktopServices>
#include <QEvent>
#include <QTextBlock>
#include <QTextDocumentFragment>
#include <QWheelEvent>

#include <cmath>

namespace cortex {

MessageBody::MessageBody(QWidget* parent)
    : QTextBrowser(parent)
{
    setFrameShape(QFrame::NoFrame);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setLineWrapMode(QTextEdit::WidgetWidth);
    setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    setTextInteractionFlags(Qt::TextBrowserInteraction | Qt::TextSelectableByKeyboard);
    setOpenLinks(false);
    setTabChangesFocus(true);
    setUndoRedoEnabled(false);
    document()->setDocumentMargin(0);
    document()->setIndentWidth(22);
    viewport()->setAutoFillBackground(false);
    connect(document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this,
            &MessageBody::fitHeight);
    connect(this, &QTextBrowser::anchorClicked, this, [](const QUrl& url) {
        if (url.scheme() == QLatin1String("https") || url.scheme() == QLatin1String("http"))
            QDesktopServices::openUrl(url);
    });
}

void MessageBody::appendPlain(const QString& text)
{
    QTextCursor end(document());
    end.movePosition(QTextCursor::End);
    end.insertText(text);
}

void MessageBody::showPlain(const QString& text)
{
    setPlainText(text);
}

void MessageBody::showMarkdown(const QString& text)
{
    document()->setMarkdown(
        text, QTextDocument::MarkdownFeatures(QTextDocument::MarkdownDialectGitHub) | QTextDocument::MarkdownNoHTML);
    styleCode();
}

/// Code stands on a tint that works on light and dark, and is wrapped: a message has no scroll bar of its own.
void MessageBody::styleCode()
{
    QTextBlockFormat format;
    format.setBackground(QColor(128, 128, 128, 40));
    format.setNonBreakableLines(false);
    for (QTextBlock block = document()->begin(); block.isValid(); block = block.next()) {
        if (block.blockFormat().hasProperty(QTextFormat::BlockCodeFence))
            QTextCursor(block).mergeBlockFormat(format);
    }
}

QVariant MessageBody::loadResource(int /*type*/, const QUrl& /*name*/)
{
    return {};
}

void MessageBody::resizeEvent(QResizeEvent* event)
{
    QTextBrowser::resizeEvent(event);
    fitHeight();
}

void MessageBody::changeEvent(QEvent* event)
{
    QTextBrowser::changeEvent(event);
    if (event->type() == QEvent::FontChange)
        fitHeight();
}

/// The conversation scrolls, not the message in it.
void MessageBody::wheelEvent(QWheelEvent* event)
{
    event->ignore();
}

void MessageBody::fitHeight()
{
    setFixedHeight(int(std::ceil(document()->size().height())));
}

} // namespace cortex
