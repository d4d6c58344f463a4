// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/pullcommand.h"

#include "neuron/daemon/hub/hubfetch.h"
#include "neuron/daemon/hub/modelname.h"

#include <QCoreApplication>
#include <QLocale>
#include <QTextStream>

#include <memory>

#include <unistd.h>

namespace cortex::neuron {

namespace {

/// One line that is rewritten on a terminal; elsewhere a line for each tenth.
class ProgressLine {
public:
    void show(const ModelProgress& progress)
    {
        const int percent = int(progress.fraction * 100);
        if (!m_isTerminal && percent / 10 == m_lastTenth)
            return;
        m_lastTenth = percent / 10;
        const QLocale locale = QLocale::c();
        m_out << (m_isTerminal ? "\r\x1b[K" : "")
              << QStringLiteral("%1 %  %2 of %3").arg(percent, 3).arg(locale.formattedDataSize(progress.doneBytes, 1, QLocale::DataSizeSIFormat), locale.formattedDataSize(progress.totalBytes, 1, QLocale::DataSizeSIFormat));
        if (progress.bytesPerSecond > 0) {
            const qint64 left = (progress.totalBytes - progress.doneBytes) / progress.bytesPerSecond;
            m_out << QStringLiteral("  %1/s").arg(locale.formattedDataSize(progress.bytesPerSecond, 1, QLocale::DataSizeSIFormat));
            if (left > 0)
                m_out << QStringLiteral("  %1:%2 left").arg(left / 60).arg(left % 60, 2, 10, QLatin1Char('0'));
        }
        m_out << (m_isTerminal ? "" : "\n") << Qt::flush;
        m_isShown = true;
    }

    void end()
    {
        if (m_isTerminal && m_isShown)
            m_out << "\n" << Qt::flush;
        m_isShown = false;
    }

private:
    QTextStream m_out{stderr};
    bool m_isTerminal = ::isatty(STDERR_FILENO) != 0;
    bool m_isShown = false;
    int m_lastTenth = -1;
};

} // namespace

int runPull(const QStringList& arguments, const HubSettings& settings)
{
    if (arguments.size() != 1 || !parseModelName(arguments.first())) {
        QTextStream(stderr) << "neuron: pull takes one model: ORG/NAME or ORG/NAME:QUANT"
                            << (arguments.isEmpty() ? QString() : QStringLiteral(", not \"%1\"").arg(arguments.join(QLatin1Char(' ')))) << "\n";
        return 2;
    }
    ProgressLine line;
    HubFetcher fetcher(settings, 0);
    const std::unique_ptr<ModelFetch> fetch(fetcher.fetch(arguments.first(), {}));
    QObject::connect(fetch.get(), &ModelFetch::progress, fetch.get(), [&](const ModelProgress& progress) { line.show(progress); });
    QObject::connect(fetch.get(), &ModelFetch::finished, fetch.get(), [&](const QString& path) {
        line.end();
        QTextStream(stdout) << path << "\n";
        QCoreApplication::exit(0);
    });
    QObject::connect(fetch.get(), &ModelFetch::failed, fetch.get(), [&](const QString&, const QString& message) {
        line.end();
        QTextStream(stderr) << "neuron: " << message << "\n";
        QCoreApplication::exit(1);
    });
    return QCoreApplication::exec();
}

} // namespace cortex::neuron
