// SPDX-License-Identifier: GPL-3.0-only
/// Writes pictures of the main window for the documentation: screenshots FOLDER. The fleet is a made-up one.
#include "app/models/fleetcontroller.h"
#include "app/ui/chatpane.h"
#include "app/ui/mainwindow.h"
#include "app/ui/modelspane.h"
#include "fakechatserver.h"
#include "fakefleet.h"

#include <QApplication>
#include <QDir>
#include <QPlainTextEdit>
#include <QSignalSpy>
#include <QTest>

#include <cmath>
#include <cstdio>

using namespace cortex;
using namespace cortex::testing;

namespace {

const QString smol = QStringLiteral("HuggingFaceTB/SmolLM2-135M-Instruct");
const QString qwen = QStringLiteral("Qwen/Qwen3-32B-GGUF:Q4_K_M");

QPalette darkPalette()
{
    QPalette dark(QColor(0x35363a), QColor(0x242528));
    dark.setColor(QPalette::Base, QColor(0x1b1c1f));
    dark.setColor(QPalette::AlternateBase, QColor(0x26272b));
    dark.setColor(QPalette::Text, QColor(0xe6e6e8));
    dark.setColor(QPalette::WindowText, QColor(0xe6e6e8));
    dark.setColor(QPalette::ButtonText, QColor(0xe6e6e8));
    dark.setColor(QPalette::PlaceholderText, QColor(0x8d8e94));
    dark.setColor(QPalette::Highlight, QColor(0x2f6fd0));
    dark.setColor(QPalette::HighlightedText, Qt::white);
    dark.setColor(QPalette::Link, QColor(0x7fb2ff));
    dark.setColor(QPalette::Disabled, QPalette::ButtonText, QColor(0x77787e));
    dark.setColor(QPalette::Disabled, QPalette::Text, QColor(0x77787e));
    return dark;
}

void feedThroughput(FakeFleetSource* source)
{
    for (int second = 0; second <= 300; ++second) {
        const double wave = 1 + 0.18 * std::sin(second / 7.0) + 0.07 * std::sin(second / 2.3);
        const double busy = second > 60 && second < 250 ? 61 * wave : 12 * wave;
        const double chat = second > 140 ? 118 * (2 - wave) : 0;
        Q_EMIT source->throughput(sampleAt(1'780'000'000 + second, {{qwen, busy}, {smol, chat}}));
    }
}

/// Sends a text word by word, about as fast as a small model writes.
void write(FakeChatServer& server, const QString& text)
{
    constexpr int millisecondsPerWord = 8;
    for (const QString& word : text.split(QLatin1Char(' '))) {
        server.sendContent(word + QLatin1Char(' '));
        QTest::qWait(millisecondsPerWord);
    }
}

bool ask(FleetController& controller, FakeChatServer& server, const QString& question)
{
    controller.chat()->send(question);
    return QTest::qWaitFor([&] { return server.isStreaming(); });
}

bool converse(FleetController& controller, FakeChatServer& server, MainWindow& window)
{
    window.chat()->chooseModel(smol);
    if (!ask(controller, server, QStringLiteral("What is the difference between prefill and decode?")))
        return false;
    write(server,
          QStringLiteral("Two phases of answering:\n\n"
                         "- **Prefill** reads the whole prompt at once. It is bound by *computation*.\n"
                         "- **Decode** writes one token after the other. It is bound by *memory bandwidth*.\n\n"
                         "Measure both:\n\n```\nneuron-engine bench --model M -p 512 -n 128\n```\n"));
    server.sendFinish(QStringLiteral("stop"), 74);
    if (!QTest::qWaitFor([&] { return !controller.chat()->isBusy(); }))
        return false;
    if (!ask(controller, server, QStringLiteral("And why does batching help decode?")))
        return false;
    write(server,
          QStringLiteral("Because the weights are read once for all sequences of the batch, so the same bandwidth"));
    const ChatTranscript* transcript = controller.chat()->transcript();
    return QTest::qWaitFor([&] { return transcript->last().text.endsWith(QStringLiteral("bandwidth ")); });
}

bool save(QWidget& widget, const QDir& folder, const QString& name)
{
    QTest::qWait(100); // the text that is under way is drawn in steps of 33 ms
    const QString path = folder.filePath(name);
    const bool saved = widget.grab().save(path);
    std::fprintf(stderr, saved ? "wrote %s\n" : "cannot write %s\n", qPrintable(path));
    return saved;
}

} // namespace

int main(int argc, char** argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    const QApplication application(argc, argv);
    if (argc != 2) {
        std::fprintf(stderr, "use: screenshots FOLDER\n");
        return 2;
    }
    const QDir folder(QString::fromLocal8Bit(argv[1]));
    if (!folder.mkpath(QStringLiteral("."))) {
        std::fprintf(stderr, "cannot create %s\n", argv[1]);
        return 1;
    }

    FakeChatServer server;
    auto owned = std::make_unique<FakeFleetSource>();
    FakeFleetSource* source = owned.get();
    FleetController controller(std::move(owned));
    MainWindow window(controller);
    window.resize(1360, 820);
    window.show();
    controller.start();
    Q_EMIT source->started(server.endpoint());
    Q_EMIT source->fleetChanged(fleetOf({}, {}));
    bool good = save(window, folder, QStringLiteral("console-empty.png"));

    Q_EMIT source->fleetChanged(busyFleet());
    feedThroughput(source);
    window.models()->selectModel(smol);
    good = converse(controller, server, window) && good;
    good = save(window, folder, QStringLiteral("console-light.png")) && good;
    QApplication::setPalette(darkPalette());
    good = save(window, folder, QStringLiteral("console-dark.png")) && good;
    return good ? 0 : 1;
}
