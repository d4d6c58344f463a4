// SPDX-License-Identifier: GPL-3.0-only
#include "core/error.h"
#include "gateway/cli/apiclient.h"
#include "gateway/cli/commandline.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/statustable.h"

#include <QJsonDocument>

namespace cortex::cli {

namespace {

Manual statusManual()
{
    return {
        .name = QStringLiteral("status"),
        .summary = QStringLiteral("show the nodes, their devices and the models"),
        .synopsis = QStringLiteral("cortex status [--url URL] [--json | --watch]"),
        .description =
            QStringLiteral("Asks a running gateway for its fleet. A model is 'available' where its files are\n"
                           "on a node, and 'not fetched' where only the catalogue knows it; either is loaded\n"
                           "by the first request for it. TOK/S is what the nodes measured last.\n"
                           "\n"
                           "--json prints the answer of GET /api/fleet as it is, for scripts. Colours are\n"
                           "used on a terminal only, and not where NO_COLOR is set."),
        .examples = QStringLiteral("cortex status\n"
                                   "cortex status --url http://10.0.0.2:31313 --watch\n"
                                   "cortex status --json | jq -r '.models[] | select(.status==\"loaded\").id'"),
    };
}

Manual modelsManual()
{
    return {
        .name = QStringLiteral("models"),
        .summary = QStringLiteral("list the models that can be asked for"),
        .synopsis = QStringLiteral("cortex models [--url URL] [--json]"),
        .description =
            QStringLiteral("Lists the catalogue's models and those that nodes have beside it, with their state,\n"
                           "the context length in tokens, where they are, and their aliases.\n"
                           "\n"
                           "--json prints the answer of GET /v1/models as it is."),
        .examples = QStringLiteral("cortex models\n"
                                   "cortex models --json | jq -r '.data[].id'"),
    };
}

void addJsonOption(CommandLine& line)
{
    line.parser().addOption({QStringLiteral("json"), QStringLiteral("Prints JSON instead of a table.")});
}

void printJson(const QJsonObject& json)
{
    print(QString::fromUtf8(QJsonDocument(json).toJson(QJsonDocument::Indented)));
}

void watch(ApiClient& client)
{
    client.follow([&](const SseEvent& event) {
        if (event.event == "fleet") {
            const FleetSnapshot fleet = fleetSnapshotFromJson(QJsonDocument::fromJson(event.data).object());
            // Home, the page, and clear what an earlier, longer page left below.
            print(QStringLiteral("\x1b[H\x1b[2J") + statusPage(fleet, client.url(), TerminalStyle::detect()));
        }
        return true;
    });
}

} // namespace

int status(const QStringList& arguments)
{
    CommandLine line(statusManual());
    addUrlOption(line);
    addJsonOption(line);
    line.parser().addOption(
        {QStringLiteral("watch"), QStringLiteral("Stays, and draws the page anew at every change.")});
    if (const std::optional<int> exit = line.parse(arguments))
        return *exit;
    const QCommandLineParser& parser = line.parser();
    if (parser.isSet(QStringLiteral("json")) && parser.isSet(QStringLiteral("watch"))) {
        printError(QStringLiteral("cortex status: --json and --watch exclude each other."));
        return WrongUse;
    }
    try {
        ApiClient client(parser.value(QStringLiteral("url")));
        if (parser.isSet(QStringLiteral("watch"))) {
            watch(client);
            return Done;
        }
        const QJsonObject fleet = client.get(QStringLiteral("/api/fleet"));
        if (parser.isSet(QStringLiteral("json")))
            printJson(fleet);
        else
            print(statusPage(fleetSnapshotFromJson(fleet), client.url(), TerminalStyle::detect()));
        return Done;
    } catch (const InputError& error) {
        printError(QStringLiteral("cortex status: %1").arg(error.message()));
        return Failed;
    }
}

int models(const QStringList& arguments)
{
    CommandLine line(modelsManual());
    addUrlOption(line);
    addJsonOption(line);
    if (const std::optional<int> exit = line.parse(arguments))
        return *exit;
    try {
        ApiClient client(line.parser().value(QStringLiteral("url")));
        if (line.parser().isSet(QStringLiteral("json")))
            printJson(client.get(QStringLiteral("/v1/models")));
        else
            print(modelsPage(fleetSnapshotFromJson(client.get(QStringLiteral("/api/fleet"))), TerminalStyle::detect()));
        return Done;
    } catch (const InputError& error) {
        printError(QStringLiteral("cortex models: %1").arg(error.message()));
        return Failed;
    }
}

} // namespace cortex::cli
