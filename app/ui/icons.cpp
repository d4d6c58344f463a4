// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/icons.h"

#include <QGuiApplication>
#include <QIconEngine>
#include <QPainter>
#include <QPalette>
#include <QPixmap>
#include <QSvgRenderer>

/// A static library's resources are registered by hand; Q_INIT_RESOURCE wants to stand outside of any namespace.
static void registerIcons()
{
    Q_INIT_RESOURCE(icons);
}

namespace cortex {

namespace {

QString resourcePath(const QString& name)
{
    registerIcons();
    return QStringLiteral(":/icons/%1.svg").arg(name);
}

class SymbolIconEngine : public QIconEngine {
public:
    explicit SymbolIconEngine(const QString& name)
        : m_path(resourcePath(name))
    {
    }

    QIconEngine* clone() const override { return new SymbolIconEngine(*this); }

    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State /*state*/) override
    {
        QPixmap pixmap(size);
        pixmap.fill(Qt::transparent);
        QPainter painter(&pixmap);
        QSvgRenderer renderer(m_path);
        renderer.render(&painter);
        painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
        painter.fillRect(pixmap.rect(), colorFor(mode));
        return pixmap;
    }

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override
    {
        const qreal ratio = painter->device()->devicePixelRatio();
        QPixmap symbol = pixmap((QSizeF(rect.size()) * ratio).toSize(), mode, state);
        symbol.setDevicePixelRatio(ratio);
        painter->drawPixmap(rect, symbol);
    }

private:
    static QColor colorFor(QIcon::Mode mode)
    {
        const QPalette palette = QGuiApplication::palette();
        if (mode == QIcon::Disabled)
            return palette.color(QPalette::Disabled, QPalette::ButtonText);
        return palette.color(mode == QIcon::Selected ? QPalette::HighlightedText : QPalette::ButtonText);
    }

    QString m_path;
};

} // namespace

QIcon symbolIcon(const QString& name)
{
    return QIcon(new SymbolIconEngine(name));
}

QIcon applicationIcon()
{
    return QIcon(resourcePath(QStringLiteral("cortex")));
}

} // namespace cortex
