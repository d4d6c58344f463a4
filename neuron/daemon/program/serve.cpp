// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/program/serve.h"

#include "core/error.h"
#include "core/signals.h"
#include "core/version.h"
#include "neuron/daemon/daemon.h"
#include "neuron/daemon/hub/hubfetch.h"

#include <QCommandLineParser>
#include <QCoreApplication>
#include <QDir>
#include <QLoggingCategory>
#include <QTextStream>

namespace cortex::neuron {

namespace {

constexpr std::chrono::seconds ShutdownGrace{10};

const char* const Description = R"(neuron runs language models on this machine and serves them over HTTP.

Subcommands:
  serve   (the default) run the daemon until SIGTERM or SIGINT
  pull    fetch a model from a Hugging Face compatible hub: neuron pull ORG/NAME[:QUANT]

Models are GGUF files and safetensors directories. neuron finds them in the directories of [models] dirs and
--models-dir (X.gguf, NAME/, ORG/NAME/) and in the Hugging Face cache (HF_HUB_CACHE, HF_HOME). GET /models lists
them; POST /models/load {"model_id": "ORG/NAME"} loads one, and fetches it first where it is not here. Inference
is OpenAI's: POST /v1/chat/completions, /v1/completions.

Settings come from the file of --config (TOML), then from the environment (NEURON_PORT=…; double underscore
descends), then from the command line.

Signals: the first SIGTERM or SIGINT lets running answers end for 10 seconds, then frees the models and exits; a
second one exits at once.

Exit codes: 0 stopped as asked, 1 failed (a bad config, the port in use), 2 wrong use of the command line.

Example:
  neuron --models-dir /srv/models --load SmolLM2-135M-Instruct.Q4_1
  curl -N http://127.0.0.1:13131/v1/chat/completions -d '{"model": "SmolLM2-135M-Instruct.Q4_1",
      "stream": true, "messages": [{"role": "user", "content": "Hello"}]}')";

struct Usage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

int intOption(const QCommandLineParser& parser, const QString& name, int least, int most)
{
    bool ok = false;
    const int value = parser.value(name).toInt(&ok);
    if (!ok || value < least || value > most)
        throw Usage(QStringLiteral("--%1: expected a number from %2 to %3, got \"%4\"")
                        .arg(name)
                        .arg(least)
                        .arg(most)
                        .arg(parser.value(name))
                        .toStdString());
    return value;
}

void describeOptions(QCommandLineParser& parser)
{
    parser.setApplicationDescription(QString::fromUtf8(Description));
    parser.addOptions({
        {{QStringLiteral("h"), QStringLiteral("help")}, QStringLiteral("Show this help.")},
        {{QStringLiteral("v"), QStringLiteral("version")}, QStringLiteral("Show the version.")},
        {QStringLiteral("config"), QStringLiteral("Read settings from this file (neuron.toml)."),
         QStringLiteral("FILE")},
        {QStringLiteral("port"), QStringLiteral("Listen on this port; 0 takes a free one. Default: 13131."),
         QStringLiteral("N")},
        {QStringLiteral("listen"),
         QStringLiteral("Listen on this address; 0.0.0.0 serves the network. Default: 127.0.0.1."),
         QStringLiteral("ADDR")},
        {QStringLiteral("models-dir"), QStringLiteral("Look for models here too. May be given several times."),
         QStringLiteral("DIR")},
        {QStringLiteral("threads"), QStringLiteral("CPU threads of a model. Default: one per physical core."),
         QStringLiteral("N")},
        {QStringLiteral("load"), QStringLiteral("Load this model at start. May be given several times."),
         QStringLiteral("MODEL")},
    });
}

Daemon::Options optionsFrom(const QCommandLineParser& parser)
{
    const QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    Daemon::Options options;
    options.config = loadNeuronConfig(parser.value(QStringLiteral("config")), environment);
    if (parser.isSet(QStringLiteral("port")))
        options.config.port = quint16(intOption(parser, QStringLiteral("port"), 0, 65535));
    if (parser.isSet(QStringLiteral("listen")))
        options.config.listen = parser.value(QStringLiteral("listen"));
    if (parser.isSet(QStringLiteral("threads")))
        options.config.threads = intOption(parser, QStringLiteral("threads"), 1, 4096);
    const QStringList directories = parser.values(QStringLiteral("models-dir"));
    for (const QString& directory : directories) {
        if (!QDir(directory).exists())
            throw InputError(QStringLiteral("--models-dir %1: no such directory").arg(directory));
        options.config.modelDirectories.append(QDir(directory).absolutePath());
    }
    options.load = parser.values(QStringLiteral("load"));
    options.roots = modelRoots(options.config, environment);
    return options;
}

int runDaemon(const Daemon::Options& options)
{
    NativeEngineFactory engines;
    HubFetcher fetcher(hubSettings(QProcessEnvironment::systemEnvironment(), options.config));
    Daemon daemon(options, engines, &fetcher);
    if (const auto failure = daemon.start()) {
        QTextStream(stderr) << "neuron: " << *failure << Qt::endl;
        return 1;
    }
    // On stdout, so that scripts that start us on port 0 learn the port.
    QTextStream(stdout) << "neuron " << version() << " listening on http://" << options.config.listen << ':'
                        << daemon.port() << Qt::endl;
    const TerminationSignals termination;
    QObject::connect(&termination, &TerminationSignals::received, &daemon, [&daemon] {
        qInfo("stopping: running answers have %d seconds", int(ShutdownGrace.count()));
        daemon.stop(ShutdownGrace);
    });
    QObject::connect(&daemon, &Daemon::stopped, qApp, &QCoreApplication::quit, Qt::QueuedConnection);
    return QCoreApplication::exec();
}

} // namespace

int runServe(const QStringList& arguments)
{
    QCommandLineParser parser;
    describeOptions(parser);
    QTextStream err(stderr);
    try {
        if (!parser.parse(arguments))
            throw Usage(parser.errorText().toStdString());
        if (parser.isSet(QStringLiteral("help"))) {
            QTextStream(stdout) << parser.helpText();
            return 0;
        }
        if (parser.isSet(QStringLiteral("version"))) {
            QTextStream(stdout) << "neuron " << version() << Qt::endl;
            return 0;
        }
        if (!parser.positionalArguments().isEmpty())
            throw Usage("unknown subcommand \"" + parser.positionalArguments().constFirst().toStdString() + '"');
        return runDaemon(optionsFrom(parser));
    } catch (const Usage& usage) {
        err << "neuron: " << usage.what() << "\nTry: neuron --help" << Qt::endl;
        return 2;
    } catch (const InputError& error) {
        err << "neuron: " << error.message() << Qt::endl;
        return 1;
    }
}

} // namespace cortex::neuron
