// SPDX-License-Identifier: GPL-3.0-only
#include "core/error.h"
#include "gateway/cli/apiclient.h"
#include "gateway/cli/commandline.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/statustable.h"
#include "gateway/cli/terminal.h"

#include <QJsonDocument>

#include <algorithm>

#include <unistd.h>

namespace cortex::cli {

namespace {

Manual loadManual()
{
    return {
        .name = QStringLiteral("load"),
        .summary = QStringLiteral("load a model on a node"),
        .synopsis = QStringLiteral("cortex load ID [--node NAME] [--no-wait] [--url URL]"),
        .description =
            QStringLiteral("Loads the model ID (an alias will do), fetching its files first where they are\n"
                           "missing, and shows the progress until it is loaded. Without --node the gateway\n"
                           "picks one, as it would for a request. Leaving with Ctrl-C does not stop the load."),
        .examples = QStringLiteral("cortex load HuggingFaceTB/SmolLM2-135M-Instruct\n"
                                   "cortex load qwen3-8b --node gpu-1"),
    };
}

Manual unloadManual()
{
    return {
        .name = QStringLiteral("unload"),
        .summary = QStringLiteral("unload a model"),
        .synopsis = QStringLiteral("cortex unload ID [--node NAME] [--url URL]"),
        .description =
            QStringLiteral("Unloads the model ID (an alias will do) from the node, or from every node that has it\n"
                           "loaded. Requests that it is answering may finish; new ones go elsewhere or wait."),
        .examples = QStringLiteral("cortex unload qwen3-8b"),
    };
}

void addNodeOption(CommandLine& line, const QString& text)
{
    line.parser().addOption({QStringLiteral("node"), text, QStringLiteral("name")});
}

QJsonObject orderBody(const QCommandLineParser& parser)
{
    const QString node = parser.value(QStringLiteral("node"));
    return node.isEmpty() ? QJsonObject() : QJsonObject{{QStringLiteral("node"), node}};
}

QString progressText(const NodeModel& model)
{
    if (!model.progress)
        return toString(model.status);
    const ModelProgress& progress = *model.progress;
    QString text = QStringLiteral("%1 %2 %").arg(progress.phase).arg(int(progress.fraction * 100));
    if (progress.totalBytes > 0)
        text += QStringLiteral("  %1 of %2")
                    .arg(memoryText(progress.doneBytes >> 20), memoryText(progress.totalBytes >> 20));
    if (progress.bytesPerSecond > 0)
        text += QStringLiteral("  %1/s").arg(memoryText(progress.bytesPerSecond >> 20));
    return printable(text);
}

/// Follows one load on the gateway's event stream and draws it on one line of the terminal. What counts is the model on
/// that node: another node may have it loaded all the while.
class LoadProgress {
public:
    /// `model` is the gateway's id.
    LoadProgress(QString model, QString node)
        : m_model(std::move(model))
        , m_node(std::move(node))
    {
    }

    /// False when the load has ended well. Throws where it has failed.
    bool take(const FleetSnapshot& fleet)
    {
        for (const FleetModel& model : fleet.models) {
            if (model.id == m_model)
                return take(fleet, model);
        }
        throw InputError(QStringLiteral("The model is gone from the fleet."));
    }

private:
    bool take(const FleetSnapshot& fleet, const FleetModel& model)
    {
        if (model.nodes.contains(m_node)) {
            show(QStringLiteral("%1 is loaded on %2").arg(printable(model.id), m_node));
            printError(QString());
            return false;
        }
        // From the order on, the gateway shows the model as loading there until the load has ended.
        const auto node = std::find_if(fleet.nodes.begin(), fleet.nodes.end(),
                                       [this](const NodeSnapshot& n) { return n.name == m_node; });
        if (node == fleet.nodes.end() || node->status != NodeStatus::Online)
            fail(model.id, QStringLiteral("the node went away"));
        QString why = model.error;
        for (const NodeModel& here : node->models) {
            if (here.id != m_model)
                continue;
            if (here.status == ModelStatus::Loading || here.status == ModelStatus::Downloading) {
                show(progressText(here));
                return true;
            }
            if (here.status == ModelStatus::Failed && here.servable)
                why = here.servable->detail;
        }
        fail(model.id, why.isEmpty() ? QStringLiteral("it was called off") : why);
    }

    [[noreturn]] void fail(const QString& model, const QString& why) const
    {
        if (m_shown)
            printError(QString());
        throw InputError(QStringLiteral("loading %1 on %2 failed: %3").arg(model, m_node, printable(why)));
    }

    void show(const QString& text)
    {
        static const bool terminal = isatty(STDERR_FILENO) == 1;
        if (text == m_last)
            return;
        m_last = text;
        m_shown = true;
        const QByteArray bytes = (terminal ? "\r\x1b[K" + text.toUtf8() : text.toUtf8() + '\n');
        fwrite(bytes.constData(), 1, size_t(bytes.size()), stderr);
    }

    QString m_model;
    QString m_node;
    QString m_last;
    bool m_shown = false;
};

void loadAndFollow(ApiClient& client, const QString& id, const QCommandLineParser& parser)
{
    const QJsonObject answer = client.post(modelPath(id, QStringLiteral("load")), orderBody(parser));
    const QString node = answer.value(QLatin1String("node")).toString();
    if (answer.value(QLatin1String("status")).toString() == QLatin1String("loaded")) {
        print(QStringLiteral("%1 is loaded on %2 already.\n").arg(id, printable(node)));
        return;
    }
    if (parser.isSet(QStringLiteral("no-wait"))) {
        print(QStringLiteral("%1 is loading on %2.\n").arg(id, printable(node)));
        return;
    }
    LoadProgress progress(answer.value(QLatin1String("model")).toString(id), node);
    client.follow([&](const SseEvent& event) {
        return event.event != "fleet"
            || progress.take(fleetSnapshotFromJson(QJsonDocument::fromJson(event.data).object()));
    });
}

} // namespace

int load(const QStringList& arguments)
{
    CommandLine line(loadManual());
    addUrlOption(line);
    addNodeOption(line, QStringLiteral("The node to load it on."));
    line.parser().addOption({QStringLiteral("no-wait"), QStringLiteral("Returns once the node has taken the order.")});
    if (const std::optional<int> exit = line.parse(arguments, 1, QStringLiteral("The model's ID")))
        return *exit;
    try {
        ApiClient client(line.parser().value(QStringLiteral("url")));
        loadAndFollow(client, line.parser().positionalArguments().first(), line.parser());
        return Done;
    } catch (const InputError& error) {
        printError(QStringLiteral("cortex load: %1").arg(error.message()));
        return Failed;
    }
}

int unload(const QStringList& arguments)
{
    CommandLine line(unloadManual());
    addUrlOption(line);
    addNodeOption(line, QStringLiteral("Only from this node."));
    if (const std::optional<int> exit = line.parse(arguments, 1, QStringLiteral("The model's ID")))
        return *exit;
    try {
        ApiClient client(line.parser().value(QStringLiteral("url")));
        const QString id = line.parser().positionalArguments().first();
        client.post(modelPath(id, QStringLiteral("unload")), orderBody(line.parser()));
        print(QStringLiteral("%1 is unloaded.\n").arg(id));
        return Done;
    } catch (const InputError& error) {
        printError(QStringLiteral("cortex unload: %1").arg(error.message()));
        return Failed;
    }
}

} // namespace cortex::cli
