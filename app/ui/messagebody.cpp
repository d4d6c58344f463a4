// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/messagebody.h"

#include <QAbstractTextDocumentLayout>
#include <QDesktopServices>
#include <QEvent>
#include <QImage>
#include <QKeyEvent>
#include <QTextBlock>
#include <QTextDocument>
#include <QWheelEvent>

#include <cmath>
#include <utility>

namespace cortex {

namespace {

/// The run of backticks or tildes that a line of fenced code begins or ends with; empty where it does neither.
QStringView fenceOf(QStringView line)
{
    const QStringView text = line.trimmed();
    if (text.isEmpty() || (text.front() != QLatin1Char('`') && text.front() != QLatin1Char('~')))
        return {};
    qsizetype length = 1;
    while (length < text.size() && text[length] == text.front())
        ++length;
    const bool isSpan = text.front() == QLatin1Char('`') && text.sliced(length).contains(QLatin1Char('`'));
    return length < 3 || isSpan ? QStringView() : text.first(length);
}

/// Markdown would join the lines of a paragraph, but models mean them: verses, addresses, lists without bullets.
QString withLineBreaks(const QString& markdown)
{
    QString result;
    QStringView open; // the fence of the code at hand
    for (QStringView rest = markdown; !rest.isEmpty();) {
        const qsizetype end = rest.indexOf(QLatin1Char('\n'));
        const QStringView line = end < 0 ? rest : rest.first(end);
        const QStringView fence = fenceOf(line);
        const bool closes = !open.isEmpty() && fence.startsWith(open) && line.trimmed() == fence;
        result += line;
        if (open.isEmpty() && fence.isEmpty())
            result += QLatin1String("  ");
        if (end >= 0)
            result += QLatin1Char('\n');
        if (open.isEmpty())
            open = fence;
        else if (closes)
            open = {};
        rest = end < 0 ? QStringView() : rest.sliced(end + 1);
    }
    return result;
}

/// Code stands on a tint that works on light and dark, and is wrapped: a message has no scroll bar of its own.
void styleCode(QTextDocument& document)
{
    QTextBlockFormat format;
    format.setBackground(QColor(128, 128, 128, 40));
    format.setNonBreakableLines(false);
    for (QTextBlock block = document.begin(); block.isValid(); block = block.next()) {
        if (block.blockFormat().hasProperty(QTextFormat::BlockCodeFence))
            QTextCursor(block).mergeBlockFormat(format);
    }
}

/// Loads nothing: a grey square stands for every image. Where none is returned here, Qt looks for a file of that name.
class RenderedText : public QTextDocument {
public:
    using QTextDocument::QTextDocument;

protected:
    QVariant loadResource(int /*type*/, const QUrl& /*name*/) override
    {
        QImage square(16, 16, QImage::Format_RGB32);
        square.fill(Qt::gray);
        return square;
    }
};

} // namespace

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
    viewport()->setAutoFillBackground(false);
    adoptDocument();
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

/// Built in a document that is not shown yet and so has no layout: the shown one would lay itself out again for every
/// line of code.
void MessageBody::showMarkdown(const QString& text)
{
    auto* whole = new RenderedText(this);
    whole->setUndoRedoEnabled(false);
    whole->setDefaultFont(document()->defaultFont());
    whole->setMarkdown(withLineBreaks(text),
                       QTextDocument::MarkdownFeatures(QTextDocument::MarkdownDialectGitHub)
                           | QTextDocument::MarkdownNoHTML);
    styleCode(*whole);
    whole->documentLayout()->setPaintDevice(viewport());
    setDocument(whole);
    delete std::exchange(m_whole, whole);
    adoptDocument();
    fitHeight();
}

/// What the document at hand is to look like and to tell.
void MessageBody::adoptDocument()
{
    document()->setDocumentMargin(0);
    document()->setIndentWidth(22);
    connect(document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this,
            &MessageBody::fitHeight);
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
void MessageBody::keyPressEvent(QKeyEvent* event)
{
    if (event->matches(QKeySequence::MoveToPreviousPage) || event->matches(QKeySequence::MoveToNextPage))
        event->ignore();
    else
        QTextBrowser::keyPressEvent(event);
}

void MessageBody::wheelEvent(QWheelEvent* event)
{
    event->ignore();
}

void MessageBody::fitHeight()
{
    setFixedHeight(int(std::ceil(document()->size().height())));
}

} // namespace cortex
