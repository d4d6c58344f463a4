// SPDX-License-Identifier: GPL-3.0-only
#include "app/ui/colors.h"

#include <array>

namespace cortex::colors {

namespace {

QColor pick(const QPalette& palette, QRgb light, QRgb dark)
{
    return QColor::fromRgb(isDark(palette) ? dark : light);
}

QColor mix(const QColor& over, const QColor& under, qreal share)
{
    return QColor::fromRgbF(float(over.redF() * share + under.redF() * (1 - share)),
                            float(over.greenF() * share + under.greenF() * (1 - share)),
                            float(over.blueF() * share + under.blueF() * (1 - share)));
}

} // namespace

bool isDark(const QPalette& palette)
{
    return palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
}

QColor muted(const QPalette& palette)
{
    return mix(palette.color(QPalette::Text), palette.color(QPalette::Base), 0.66);
}

QColor good(const QPalette& palette)
{
    return pick(palette, 0x1a7f37, 0x4ac26b);
}

QColor busy(const QPalette& palette)
{
    return pick(palette, 0x8a5a00, 0xe3b341);
}

QColor bad(const QPalette& palette)
{
    return pick(palette, 0xb42318, 0xff8378);
}

QColor bar(const QPalette& palette)
{
    return pick(palette, 0x2f6fd0, 0x5b9bf3);
}

QColor trough(const QPalette& palette)
{
    return mix(palette.color(QPalette::Text), palette.color(QPalette::Base), 0.13);
}

QColor grid(const QPalette& palette)
{
    return mix(palette.color(QPalette::Text), palette.color(QPalette::Base), 0.16);
}

QColor halo(const QPalette& palette)
{
    return mix(palette.color(QPalette::Text), palette.color(QPalette::Base), 0.3);
}

QColor ofNode(NodeStatus status, const QPalette& palette)
{
    switch (status) {
    case NodeStatus::Online:
        return good(palette);
    case NodeStatus::Connecting:
        return busy(palette);
    case NodeStatus::Offline:
        return bad(palette);
    }
    return muted(palette);
}

QColor ofModel(ModelStatus status, const QPalette& palette)
{
    switch (status) {
    case ModelStatus::Loaded:
        return good(palette);
    case ModelStatus::Downloading:
    case ModelStatus::Loading:
    case ModelStatus::Unloading:
        return busy(palette);
    case ModelStatus::Failed:
        return bad(palette);
    case ModelStatus::Unloaded:
        return muted(palette);
    }
    return muted(palette);
}

QColor series(int index, const QPalette& palette)
{
    // Okabe and Ito's set, darkened a little for light windows.
    static constexpr std::array<std::pair<QRgb, QRgb>, 7> colors{{{0x0072b2, 0x56b4e9},
                                                                  {0xc24d00, 0xff9e57},
                                                                  {0x00805d, 0x2fc79a},
                                                                  {0xa8447f, 0xe59cc6},
                                                                  {0x8a6d00, 0xf0e442},
                                                                  {0x3b7fb5, 0x9ad1f5},
                                                                  {0x5b5b5b, 0xb8b8b8}}};
    const auto& [light, dark] = colors[size_t(index) % colors.size()];
    return pick(palette, light, dark);
}

} // namespace cortex::colors
