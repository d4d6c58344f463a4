// SPDX-License-Identifier: GPL-3.0-only
#include "app/models/format.h"

#include <QCoreApplication>
#include <QLocale>

namespace cortex::format {

namespace {

constexpr double megabytesPerGigabyte = 1024;

QString number(double value, int decimals)
{
    return QLocale().toString(value, 'f', decimals);
}

struct Text {
    Q_DECLARE_TR_FUNCTIONS(cortex::format)
};

} // namespace

QString memory(qint64 megabytes)
{
    if (double(megabytes) < megabytesPerGigabyte)
        return Text::tr("%1 MiB").arg(QLocale().toString(megabytes));
    return Text::tr("%1 GiB").arg(number(double(megabytes) / megabytesPerGigabyte, 1));
}

QString memoryOf(qint64 usedMegabytes, qint64 totalMegabytes)
{
    if (double(totalMegabytes) < megabytesPerGigabyte)
        return Text::tr("%1 of %2 MiB").arg(QLocale().toString(usedMegabytes), QLocale().toString(totalMegabytes));
    return Text::tr("%1 of %2 GiB")
        .arg(number(double(usedMegabytes) / megabytesPerGigabyte, 1),
             number(double(totalMegabytes) / megabytesPerGigabyte, 1));
}

QString bytesPerSecond(qint64 bytes)
{
    if (bytes >= 1'000'000'000)
        return Text::tr("%1 GB/s").arg(number(double(bytes) / 1e9, 1));
    return Text::tr("%1 MB/s").arg(number(double(bytes) / 1e6, 1));
}

QString percent(double percent)
{
    return Text::tr("%1 %").arg(number(percent, 0));
}

QString temperature(double celsius)
{
    return Text::tr("%1 °C").arg(number(celsius, 0));
}

QString speed(double tokensPerSecond)
{
    return number(tokensPerSecond, tokensPerSecond < 100 ? 1 : 0);
}

QString tokensPerSecond(double value)
{
    return Text::tr("%1 tok/s").arg(speed(value));
}

QString seconds(double seconds)
{
    if (seconds < 1)
        return Text::tr("%1 ms").arg(number(seconds * 1000, 0));
    return Text::tr("%1 s").arg(number(seconds, seconds < 10 ? 1 : 0));
}

QString shortModelName(const QString& id)
{
    return id.section(QLatin1Char('/'), -1);
}

QString modelsLoaded(int count)
{
    if (count == 0)
        return Text::tr("no model loaded");
    return count == 1 ? Text::tr("1 model loaded") : Text::tr("%1 models loaded").arg(count);
}

} // namespace cortex::format
