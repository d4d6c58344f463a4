// SPDX-License-Identifier: GPL-3.0-only
// The whole gateway against fake neurons, over real sockets on loopback.
#include "core/http/httpclient.h"
#include "core/sse.h"
#include "fakeneuron.h"
#include "gateway/gateway.h"

#include <QJsonDocument>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

#include <algorithm>

using namespace cortex;

namespace {

using Response = std::shared_ptr<ResponseStream>;
const QString chat = QStringLiteral("/v1/chat/completions");

QByteArray chunk(const QByteArray& text)
{
    return "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + text + "\"}}]}\n\n";
}

/// A gateway over some fake neurons, on free ports.
struct Fleet {
    explicit Fleet(const QList<FakeNeuron*>& neurons, Catalogue catalogue = {}, GatewayConfig config = {})
    {
        config.listen = QStringLiteral("127.0.0.1:0");
        config.metricsListen = QStringLiteral("127.0.0.1:0");
        for (FakeNeuron* neuron : neurons) {
            neuron->listen();
            config.neurons.append({QStringLiteral("n%1").arg(config.neurons.size() + 1), neuron->endpoint()});
        }
        gateway = std::make_unique<Gateway>(config, catalogue);
        QObject::connect(gateway.get(), &Gateway::fleetChanged, gateway.get(),
                         [this](const FleetSnapshot& fleet) { latest = fleet; });
        const std::optional<QString> error = gateway->start();
        if (error)
            qFatal("gateway: %s", qPrintable(*error));
    }

    bool allOnline() const
    {
        return std::all_of(latest.nodes.begin(), latest.nodes.end(),
                           [](const NodeSnapshot& node) { return node.status == NodeStatus::Online; });
    }
    const FleetModel* model(const QString& id) const
    {
        for (const FleetModel& model : latest.models) {
            if (model.id == id)
                return &model;
        }
        return nullptr;
    }
    int inFlight() const
    {
        int total = 0;
        for (const FleetModel& model : latest.models)
            total += model.inFlight;
        return total;
    }

    HttpReply* send(const QByteArray& method, const QString& path, const QByteArray& body = {},
                    const HttpHeaders& headers = {})
    {
        HttpClientRequest request;
        request.method = method;
        request.url = QUrl(QStringLiteral("http://127.0.0.1:%1%2").arg(gateway->port()).arg(path));
        request.headers = headers;
        request.body = body;
        return client.send(request);
    }
    /// Sends, waits for the end.
    std::unique_ptr<HttpReply> ask(const QByteArray& method, const QString& path, const QByteArray& body = {},
                                   const HttpHeaders& headers = {})
    {
        std::unique_ptr<HttpReply> reply(send(method, path, body, headers));
        if (!QTest::qWaitFor([&] { return reply->isFinished(); }, 10'000))
            qWarning("no answer to %s", qPrintable(path));
        return reply;
    }

    /// The text of /metrics.
    QByteArray metrics()
    {
        HttpClientRequest request;
        request.url = QUrl(QStringLiteral("http://127.0.0.1:%1/metrics").arg(gateway->metricsPort()));
        const std::unique_ptr<HttpReply> reply(client.send(request));
        const bool isThere = QTest::qWaitFor([&] { return reply->isFinished(); }, 10'000);
        if (!isThere || !reply->headers().value("content-type").startsWith("text/plain; version=0.0.4"))
            qWarning("no metrics");
        return reply->body();
    }

    std::unique_ptr<Gateway> gateway;
    HttpClient client;
    FleetSnapshot latest;
};

QJsonObject jsonOf(const HttpReply& reply)
{
    return QJsonDocument::fromJson(reply.body()).object();
}

QString errorCode(const HttpReply& reply)
{
    return jsonOf(reply).value(QLatin1String("error")).toObject().value(QLatin1String("code")).toString();
}

/// The bytes of a streamed answer as they come.
struct Stream {
    explicit Stream(HttpReply* sent)
        : reply(sent)
    {
        reply->setStreaming(true);
        QObject::connect(reply.get(), &HttpReply::data, reply.get(), [this](const QByteArray& more) { bytes += more; });
    }
    bool waitFor(const QByteArray& text) const
    {
        return QTest::qWaitFor([&] { return bytes.contains(text); }, 5000);
    }
    bool waitForEnd() const
    {
        return QTest::qWaitFor([&] { return reply->isFinished(); }, 5000);
    }
    std::unique_ptr<HttpReply> reply;
    QByteArray bytes;
};

QByteArray streamBody(const QByteArray& model)
{
    return "{\"model\":\"" + model + "\",\"stream\":true,\"messages\":[]}";
}

} // namespace

class TestGateway : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void streamsVerbatim();
    void answersWhole();
    void passesOnTheNodesError();
    void resolvesAliasAndKeepsTheRest();
    void loadsOnceForTwentyClients();
    void loadFailureReachesAllWaiters();
    void loadingDoesNotBlockOthers();
    void sendsKeepAliveWhileLoading();
    void disconnectCancelsUpstream();
    void disconnectWhileWaitingLeavesTheQueue();
    void nodeDiesInMidStream();
    void nodeEndsItsStreamEarly_data();
    void nodeEndsItsStreamEarly();
    void nodeRefusesConnection();
    void slowClientHoldsTheNodeBack();
    void reconnectsToEvents();
    void badEventTakesNodeOffline();
    void pollsWhereThereAreNoEvents();
    void listsModels();
    void clientErrors_data();
    void clientErrors();
    void foreignPagesGiveNoOrders();
    void asksForKeys();
    void warnsOfAnOddConfig();
    void operatorLoadsAndUnloads();
    void eventsOfTheGateway();
    void headOfTheEventsEnds();
    void metricsText();
    void portInUse();
    void threadStartsAndStops();
    void stopLetsRunningRequestsFinish();
    void dropsEverythingAtOnce();
};

void TestGateway::streamsVerbatim()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    // Frames cut at odd places, a comment, CRLF, spacing of its own: all must come through as they are.
    const QList<QByteArray> parts{"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\nda",
                                  "ta:{ \"choices\" : [] }\r\n\r\n",
                                  ": a comment\n\n",
                                  chunk("caf\xc3"),
                                  chunk("\xa9"),
                                  "data: [DONE]\n\n"};
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        response->beginEventStream();
        for (const QByteArray& part : parts)
            response->write(part);
        response->end();
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    const auto reply = fleet.ask("POST", chat, streamBody("m"));
    QCOMPARE(reply->status(), 200);
    QVERIFY(reply->headers().value("content-type").startsWith("text/event-stream"));
    QCOMPARE(reply->headers().value("x-accel-buffering"), QByteArray("no"));
    QCOMPARE(reply->body(), parts.join());
    QCOMPARE(neuron.completionBodies, QList<QByteArray>{streamBody("m")});
    QTRY_COMPARE(fleet.inFlight(), 0);
}

void TestGateway::answersWhole()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    const QByteArray answer = "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":3}}";
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", answer);
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    for (const QString& path : {chat, QStringLiteral("/v1/completions")}) {
        const auto reply = fleet.ask("POST", path, "{\"model\":\"m\"}");
        QCOMPARE(reply->status(), 200);
        QCOMPARE(reply->body(), answer);
        QCOMPARE(reply->headers().value("content-length"), QByteArray::number(answer.size()));
    }
}

void TestGateway::passesOnTheNodesError()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    const QByteArray error =
        "{\"error\":{\"message\":\"full\",\"type\":\"server_error\",\"param\":null,\"code\":\"queue_full\"}}";
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        HttpHeaders extra;
        extra.append("Retry-After", "7");
        response->respond(503, "application/json", error, extra);
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    const auto reply = fleet.ask("POST", chat, streamBody("m"));
    QCOMPARE(reply->status(), 503);
    QCOMPARE(reply->body(), error);
    QCOMPARE(reply->headers().value("retry-after"), QByteArray("7"));
}

void TestGateway::resolvesAliasAndKeepsTheRest()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("Org/Name:Q4_1"), ModelStatus::Loaded);
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", "{}");
    };
    Catalogue catalogue;
    CatalogueModel model;
    model.id = QStringLiteral("small");
    model.source = QStringLiteral("Org/Name");
    model.quant = QStringLiteral("Q4_1");
    catalogue.models = {model};
    catalogue.aliases.insert(QStringLiteral("fast"), QStringLiteral("small"));
    Fleet fleet({&neuron}, catalogue);
    QTRY_VERIFY(fleet.allOnline());
    const auto reply =
        fleet.ask("POST", chat, "{ \"seed\": 12345678901234567890, \"model\" : \"fast\",\"x\":{\"model\":\"y\"}}");
    QCOMPARE(reply->status(), 200);
    QCOMPARE(
        neuron.completionBodies,
        QList<QByteArray>{"{ \"seed\": 12345678901234567890, \"model\" : \"Org/Name:Q4_1\",\"x\":{\"model\":\"y\"}}"});
}

void TestGateway::loadsOnceForTwentyClients()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", "{}");
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    std::vector<std::unique_ptr<HttpReply>> replies;
    for (int i = 0; i < 20; ++i)
        replies.emplace_back(fleet.send("POST", chat, "{\"model\":\"m\"}"));
    QTRY_VERIFY(neuron.status(QStringLiteral("m")) == ModelStatus::Loading);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loading, 0.5);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    for (const auto& reply : replies) {
        QTRY_VERIFY(reply->isFinished());
        QCOMPARE(reply->status(), 200);
    }
    QCOMPARE(neuron.loadOrders, 1);
    QCOMPARE(neuron.completionBodies.size(), 20);
    QTRY_COMPARE(fleet.inFlight(), 0);
}

void TestGateway::loadFailureReachesAllWaiters()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    std::vector<std::unique_ptr<HttpReply>> replies;
    for (int i = 0; i < 5; ++i)
        replies.emplace_back(fleet.send("POST", chat, "{\"model\":\"m\"}"));
    QTRY_VERIFY(neuron.status(QStringLiteral("m")) == ModelStatus::Loading);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Failed, 0, QStringLiteral("the file is cut short"));
    for (const auto& reply : replies) {
        QTRY_VERIFY(reply->isFinished());
        QCOMPARE(reply->status(), 503);
        QCOMPARE(errorCode(*reply), QStringLiteral("model_load_failed"));
        QVERIFY(reply->body().contains("the file is cut short"));
        QVERIFY(!reply->headers().value("retry-after").isEmpty());
    }
    // At once the next one hears why; it does not start the same load again.
    const auto next = fleet.ask("POST", chat, "{\"model\":\"m\"}");
    QCOMPARE(next->status(), 503);
    QVERIFY(next->body().contains("the file is cut short"));
    QCOMPARE(neuron.loadOrders, 1);
}

void TestGateway::loadingDoesNotBlockOthers()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("slow"));
    neuron.addModel(QStringLiteral("ready"), ModelStatus::Loaded);
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", "{}");
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    const std::unique_ptr<HttpReply> waiting(fleet.send("POST", chat, "{\"model\":\"slow\"}"));
    QTRY_VERIFY(neuron.status(QStringLiteral("slow")) == ModelStatus::Loading);
    const auto reply = fleet.ask("POST", chat, "{\"model\":\"ready\"}");
    QCOMPARE(reply->status(), 200);
    QVERIFY(!waiting->isFinished());
}

void TestGateway::sendsKeepAliveWhileLoading()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor(": loading m on n1, 0 %\n\n"));
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->beginEventStream();
        response->write(chunk("hello") + "data: [DONE]\n\n");
        response->end();
    };
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    QVERIFY(stream.waitForEnd());
    QCOMPARE(stream.reply->failure(), HttpReply::Failure::None);
    QVERIFY(stream.bytes.endsWith(chunk("hello") + "data: [DONE]\n\n"));

    // And where the load fails after that, the error comes as a frame and the stream does not end well.
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Unloaded);
    QTRY_VERIFY(fleet.model(QStringLiteral("m"))->status == ModelStatus::Unloaded);
    Stream failing(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(failing.waitFor(": loading"));
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Failed, 0, QStringLiteral("no memory"));
    QVERIFY(failing.waitFor("data: {\"error\":{"));
    QVERIFY(failing.bytes.contains("no memory"));
    QVERIFY(failing.waitForEnd());
    QVERIFY(failing.reply->failure() != HttpReply::Failure::None);
}

void TestGateway::disconnectCancelsUpstream()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    bool cancelled = false;
    Response held;
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        connect(response.get(), &ResponseStream::disconnected, &neuron, [&] { cancelled = true; });
        response->beginEventStream();
        response->write(chunk("one"));
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor("one"));
    QTRY_COMPARE(fleet.inFlight(), 1);
    stream.reply.reset();
    QTRY_VERIFY(cancelled);
    QTRY_COMPARE(fleet.inFlight(), 0);
}

void TestGateway::disconnectWhileWaitingLeavesTheQueue()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->respond(200, "application/json", "{}");
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    std::unique_ptr<HttpReply> leaving(fleet.send("POST", chat, "{\"model\":\"m\"}"));
    QTRY_VERIFY(neuron.status(QStringLiteral("m")) == ModelStatus::Loading);
    const std::unique_ptr<HttpReply> staying(fleet.send("POST", chat, "{\"model\":\"m\"}"));
    leaving.reset();
    // Another request behind it shows that the gateway has seen the first one leave.
    QCOMPARE(fleet.ask("GET", QStringLiteral("/health"))->status(), 200);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    QTRY_VERIFY(staying->isFinished());
    QCOMPARE(neuron.completionBodies.size(), 1);
    QTRY_COMPARE(fleet.inFlight(), 0);
}

void TestGateway::nodeDiesInMidStream()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    Response held;
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        response->beginEventStream();
        response->write(chunk("one") + "data: {\"cho");
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor("{\"cho"));
    held->abort();
    QVERIFY(stream.waitForEnd());
    QVERIFY(stream.reply->failure() != HttpReply::Failure::None);
    QVERIFY(!stream.bytes.contains("[DONE]"));
    // The error stands in a frame of its own.
    SseParser parser;
    const QList<SseEvent> events = parser.push(stream.bytes);
    QVERIFY(!events.isEmpty());
    const QJsonObject error =
        QJsonDocument::fromJson(events.last().data).object().value(QLatin1String("error")).toObject();
    QCOMPARE(error.value(QLatin1String("code")).toString(), QStringLiteral("upstream_error"));

    // A client that did not stream gets a clean 502.
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->begin(200, "application/json");
        response->write("{\"choices\":");
        response->abort();
    };
    const auto reply = fleet.ask("POST", chat, "{\"model\":\"m\"}");
    QCOMPARE(reply->status(), 502);
    QCOMPARE(errorCode(*reply), QStringLiteral("upstream_error"));
    QTRY_COMPARE(fleet.inFlight(), 0);
}

void TestGateway::nodeEndsItsStreamEarly_data()
{
    QTest::addColumn<QByteArray>("last");
    QTest::addColumn<bool>("endsProperly");
    QTest::addColumn<QByteArray>("expectedCode");
    const QByteArray error = "data: {\"error\":{\"message\":\"boom\",\"code\":\"engine_failed\"}}\n\n";
    QTest::newRow("without a word") << chunk("two") << true << QByteArray("upstream_error");
    QTest::newRow("in the middle of a frame") << QByteArray("data: {\"cho") << true << QByteArray("upstream_error");
    QTest::newRow("with an error") << error << true << QByteArray("engine_failed");
    QTest::newRow("with an error and a reset") << error << false << QByteArray("engine_failed");
}

void TestGateway::nodeEndsItsStreamEarly()
{
    QFETCH(QByteArray, last);
    QFETCH(bool, endsProperly);
    QFETCH(QByteArray, expectedCode);
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    Response held;
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        response->beginEventStream();
        response->write(chunk("one") + last);
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor(last));
    if (endsProperly)
        held->end();
    else
        held->abort();
    QVERIFY(stream.waitForEnd());
    QVERIFY(stream.reply->failure() != HttpReply::Failure::None);
    QCOMPARE(stream.bytes.count("\"error\""), 1);
    const QList<SseEvent> events = SseParser().push(stream.bytes);
    const QJsonObject error =
        QJsonDocument::fromJson(events.last().data).object().value(QLatin1String("error")).toObject();
    QCOMPARE(error.value(QLatin1String("code")).toString().toUtf8(), expectedCode);
    QTRY_COMPARE(fleet.inFlight(), 0);
    const QByteArray metrics = fleet.metrics();
    QVERIFY2(metrics.contains("cortex_request_errors_total{model=\"m\",node=\"n1\"} 1\n"), metrics.constData());
}

void TestGateway::nodeRefusesConnection()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    neuron.close();
    QTRY_VERIFY(fleet.latest.nodes.first().status == NodeStatus::Offline);
    QVERIFY(!fleet.latest.nodes.first().error.isEmpty());
    const auto reply = fleet.ask("POST", chat, "{\"model\":\"m\"}");
    QCOMPARE(reply->status(), 503);
    QCOMPARE(errorCode(*reply), QStringLiteral("model_unavailable"));
    QVERIFY(reply->body().contains("offline"));
}

void TestGateway::slowClientHoldsTheNodeBack()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    const qint64 total = 64 * 1024 * 1024;
    Response held;
    qint64 sent = 0;
    const QByteArray block = "data: " + QByteArray(256 * 1024, 'x') + "\n\n";
    const QByteArray done = "data: [DONE]\n\n";
    const auto fill = [&] {
        while (held && sent < total && held->pendingBytes() < 512 * 1024) {
            held->write(block);
            sent += block.size();
        }
        if (held && sent >= total) {
            held->write(done);
            sent += done.size();
            held->end();
            held.reset();
        }
    };
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        response->beginEventStream();
        connect(response.get(), &ResponseStream::drained, &neuron, fill);
        fill();
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    const std::unique_ptr<HttpReply> reply(fleet.send("POST", chat, streamBody("m")));
    reply->setStreaming(true);
    qint64 received = 0;
    connect(reply.get(), &HttpReply::data, reply.get(), [&](const QByteArray& bytes) { received += bytes.size(); });
    connect(reply.get(), &HttpReply::headersReceived, reply.get(), [&] { reply->pause(); });
    // The node comes to a halt with much of the answer unsent: nobody in between swallows it.
    qint64 before = -1;
    QTRY_VERIFY_WITH_TIMEOUT(sent > 0 && std::exchange(before, sent) == sent, 5000);
    QTest::qWait(300);
    QVERIFY2(sent < total / 2, qPrintable(QString::number(sent)));
    reply->resume();
    QTRY_VERIFY_WITH_TIMEOUT(reply->isFinished(), 20'000);
    QCOMPARE(reply->failure(), HttpReply::Failure::None);
    QCOMPARE(received, sent);
}

void TestGateway::reconnectsToEvents()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    neuron.dropListeners();
    QTRY_VERIFY(fleet.latest.nodes.first().status == NodeStatus::Offline);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    neuron.addModel(QStringLiteral("other"));
    QTRY_VERIFY(fleet.allOnline());
    QTRY_VERIFY(fleet.model(QStringLiteral("m"))->status == ModelStatus::Loaded);
    QVERIFY(fleet.model(QStringLiteral("other")));
    neuron.removeModel(QStringLiteral("other"));
    QTRY_VERIFY(!fleet.model(QStringLiteral("other")));
    // The process restarts on its port.
    const quint16 port = quint16(neuron.endpoint().port());
    neuron.close();
    QTRY_VERIFY(fleet.latest.nodes.first().status == NodeStatus::Offline);
    neuron.listen(port);
    QTRY_VERIFY_WITH_TIMEOUT(fleet.allOnline(), 10'000);
}

void TestGateway::badEventTakesNodeOffline()
{
    FakeNeuron neuron;
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    QSignalSpy spy(fleet.gateway.get(), &Gateway::fleetChanged);
    QString error;
    connect(fleet.gateway.get(), &Gateway::fleetChanged, &neuron, [&](const FleetSnapshot& snapshot) {
        if (snapshot.nodes.first().status == NodeStatus::Offline)
            error = snapshot.nodes.first().error;
    });
    neuron.sendRaw("event: health\ndata: {not json\n\n");
    QTRY_VERIFY2(error.contains(QLatin1String("not JSON")), qPrintable(error));
    QTRY_VERIFY(fleet.allOnline()); // it is asked again
}

void TestGateway::pollsWhereThereAreNoEvents()
{
    FakeNeuron neuron(false);
    neuron.addModel(QStringLiteral("m"));
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    QVERIFY(fleet.model(QStringLiteral("m"))->status == ModelStatus::Unloaded);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    QTRY_VERIFY(fleet.model(QStringLiteral("m"))->status == ModelStatus::Loaded);
    neuron.close();
    QTRY_VERIFY(fleet.latest.nodes.first().status == NodeStatus::Offline);
}

void TestGateway::listsModels()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("found/here"), ModelStatus::Loaded);
    Catalogue catalogue;
    CatalogueModel model;
    model.id = QStringLiteral("listed");
    model.limit.context = 8192;
    catalogue.models = {model};
    catalogue.aliases.insert(QStringLiteral("claude-local"), QStringLiteral("listed"));
    Fleet fleet({&neuron}, catalogue);
    QTRY_VERIFY(fleet.allOnline());
    const QJsonObject list = jsonOf(*fleet.ask("GET", QStringLiteral("/v1/models?limit=1000")));
    QCOMPARE(list.value(QLatin1String("object")).toString(), QStringLiteral("list"));
    QStringList ids;
    for (const QJsonValue& entry : list.value(QLatin1String("data")).toArray()) {
        ids.append(entry[QLatin1String("id")].toString());
        QCOMPARE(entry[QLatin1String("object")].toString(), QStringLiteral("model"));
        QVERIFY(entry[QLatin1String("created")].toInteger() > 0);
    }
    QCOMPARE(ids,
             (QStringList{QStringLiteral("listed"), QStringLiteral("claude-local"), QStringLiteral("found/here")}));
    const QJsonObject one = jsonOf(*fleet.ask("GET", QStringLiteral("/v1/models/found/here")));
    QCOMPARE(one.value(QLatin1String("status")).toString(), QStringLiteral("loaded"));
    const QJsonObject alias = jsonOf(*fleet.ask("GET", QStringLiteral("/v1/models/claude-local")));
    QCOMPARE(alias.value(QLatin1String("alias_of")).toString(), QStringLiteral("listed"));
    QCOMPARE(alias[QLatin1String("limit")][QLatin1String("context")].toInt(), 8192);
    QCOMPARE(fleet.ask("GET", QStringLiteral("/v1/models/none"))->status(), 404);
    QCOMPARE(fleet.ask("HEAD", QStringLiteral("/"))->status(), 200);
    QCOMPARE(jsonOf(*fleet.ask("GET", QStringLiteral("/health"))).value(QLatin1String("nodes_online")).toInt(), 1);
}

void TestGateway::clientErrors_data()
{
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<int>("status");
    QTest::addColumn<QString>("says");
    QTest::newRow("no JSON") << QByteArray("model=m") << 400 << QStringLiteral("not valid JSON");
    QTest::newRow("empty") << QByteArray() << 400 << QStringLiteral("not valid JSON");
    QTest::newRow("a list") << QByteArray("[]") << 400 << QStringLiteral("JSON object");
    QTest::newRow("no model") << QByteArray("{}") << 400 << QStringLiteral("'model'");
    QTest::newRow("a number as model") << QByteArray("{\"model\":1}") << 400 << QStringLiteral("'model'");
    QTest::newRow("stream is no boolean")
        << QByteArray("{\"model\":\"m\",\"stream\":\"yes\"}") << 400 << QStringLiteral("'stream'");
    QTest::newRow("deep") << QByteArray(100'000, '[') << 400 << QStringLiteral("not valid JSON");
    QTest::newRow("two models") << QByteArray("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}") << 400
                                << QStringLiteral("'model' twice");
    QTest::newRow("a long model") << QByteArray("{\"model\":\"" + QByteArray(10'000, 'm') + "\"}") << 400
                                  << QStringLiteral("4096 bytes");
    QTest::newRow("unknown model") << QByteArray("{\"model\":\"none\"}") << 404 << QStringLiteral("GET /v1/models");
}

void TestGateway::clientErrors()
{
    QFETCH(QByteArray, body);
    QFETCH(int, status);
    QFETCH(QString, says);
    Fleet fleet({});
    const auto reply = fleet.ask("POST", chat, body);
    QCOMPARE(reply->status(), status);
    const QJsonObject error = jsonOf(*reply).value(QLatin1String("error")).toObject();
    QVERIFY2(error.value(QLatin1String("message")).toString().contains(says), reply->body().constData());
    QCOMPARE(error.value(QLatin1String("type")).toString(), QStringLiteral("invalid_request_error"));
    QVERIFY(error.contains(QLatin1String("param")) && error.contains(QLatin1String("code")));
    if (status == 404)
        QCOMPARE(error.value(QLatin1String("code")).toString(), QStringLiteral("model_not_found"));
}

void TestGateway::foreignPagesGiveNoOrders()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    HttpHeaders headers;
    headers.append("Origin", "http://evil.example");
    headers.append("Content-Type", "text/plain"); // for which browsers ask nobody
    const auto reply = fleet.ask("POST", QStringLiteral("/api/models/m/unload"), "{}", headers);
    QCOMPARE(reply->status(), 403);
    QCOMPARE(neuron.unloadOrders, 0);
}

void TestGateway::asksForKeys()
{
    GatewayConfig config;
    config.requireAuth = true;
    config.keys = {
        KeyEntry{.key = QStringLiteral("sk-one"), .accountId = {}, .keyId = {}, .hardCap = {}, .window = {}},
        KeyEntry{.key = QStringLiteral("sk-two"), .accountId = {}, .keyId = {}, .hardCap = {}, .window = {}}};
    Fleet fleet({}, {}, config);
    const auto with = [&](const QByteArray& name, const QByteArray& value) {
        HttpHeaders headers;
        headers.append(name, value);
        return fleet.ask("GET", QStringLiteral("/v1/models"), {}, headers);
    };
    const auto without = fleet.ask("GET", QStringLiteral("/v1/models"));
    QCOMPARE(without->status(), 401);
    QCOMPARE(errorCode(*without), QStringLiteral("invalid_api_key"));
    QCOMPARE(without->headers().value("WWW-Authenticate"), QByteArray("Bearer"));
    QCOMPARE(with("Authorization", "Bearer sk-two")->status(), 200);
    QCOMPARE(with("authorization", "bearer sk-one")->status(), 200);
    QCOMPARE(with("x-api-key", "sk-one")->status(), 200);
    QCOMPARE(with("Authorization", "Bearer sk-onf")->status(), 401);
    QCOMPARE(with("Authorization", "Bearer ")->status(), 401);
    QCOMPARE(with("Authorization", "sk-one")->status(), 401);
    for (const char* path : {"/api/fleet", "/api/events"})
        QCOMPARE(fleet.ask("GET", QString::fromLatin1(path))->status(), 401);
    QCOMPARE(fleet.ask("POST", QStringLiteral("/api/models/m/load"))->status(), 401);
    QCOMPARE(fleet.ask("POST", chat, "{}")->status(), 401);
    QCOMPARE(fleet.ask("GET", QStringLiteral("/health"))->status(), 200);
}

void TestGateway::warnsOfAnOddConfig()
{
    GatewayConfig config;
    config.keys = {KeyEntry{.key = QStringLiteral("k"), .accountId = {}, .keyId = {}, .hardCap = {}, .window = {}}};
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("require_auth is off")));
    Fleet fleet({}, {}, config);
    QCOMPARE(fleet.ask("GET", QStringLiteral("/v1/models"))->status(), 200);
}

void TestGateway::operatorLoadsAndUnloads()
{
    FakeNeuron one;
    FakeNeuron two;
    one.addModel(QStringLiteral("org/m"));
    two.addModel(QStringLiteral("org/m"));
    Fleet fleet({&one, &two});
    QTRY_VERIFY(fleet.allOnline());
    const QString path = QStringLiteral("/api/models/org/m/%1");
    const auto loading = fleet.ask("POST", path.arg(QStringLiteral("load")), "{\"node\":\"n2\"}");
    QCOMPARE(loading->status(), 202);
    QCOMPARE(jsonOf(*loading).value(QLatin1String("node")).toString(), QStringLiteral("n2"));
    QCOMPARE(jsonOf(*loading).value(QLatin1String("model")).toString(), QStringLiteral("org/m"));
    QCOMPARE(two.loadOrders, 1);
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("load")), "{\"node\":\"n1\"}")->status(), 409);
    QCOMPARE(one.loadOrders, 0);
    two.setStatus(QStringLiteral("org/m"), ModelStatus::Loaded);
    QTRY_COMPARE(fleet.model(QStringLiteral("org/m"))->nodes, QStringList{QStringLiteral("n2")});
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("load")))->status(), 200);
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("load")), "{\"node\":\"n9\"}")->status(), 409);
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("load")), "[]")->status(), 400);
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("load")), QByteArray(100'000, ' '))->status(), 400);
    QCOMPARE(fleet.ask("POST", QStringLiteral("/api/models/none/load"))->status(), 404);
    const auto unloaded = fleet.ask("POST", path.arg(QStringLiteral("unload")));
    QCOMPARE(unloaded->status(), 200);
    QCOMPARE(two.unloadOrders, 1);
    QTRY_VERIFY(fleet.model(QStringLiteral("org/m"))->status == ModelStatus::Unloaded);
    QCOMPARE(fleet.ask("POST", path.arg(QStringLiteral("unload")))->status(), 409);
    // What the node says against a load reaches the operator.
    one.onLoad = [](const HttpRequest&, const Response& response) {
        response->respond(
            422, "application/json",
            "{\"error\":{\"kind\":\"does_not_fit\",\"message\":\"needs 9 GB\",\"suggestion\":\"use Q4\"}}");
    };
    QSignalSpy failures(fleet.gateway.get(), &Gateway::operationFailed);
    const auto refused = fleet.ask("POST", path.arg(QStringLiteral("load")), "{\"node\":\"n1\"}");
    QCOMPARE(refused->status(), 422);
    QVERIFY(refused->body().contains("needs 9 GB (use Q4)"));
    QCOMPARE(failures.size(), 1);
    fleet.gateway->loadModel(QStringLiteral("org/m"), QStringLiteral("n9"));
    QCOMPARE(failures.size(), 2);
}

void TestGateway::eventsOfTheGateway()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->beginEventStream();
        for (int i = 0; i < 10; ++i)
            response->write(chunk("x"));
        response->write("data: [DONE]\n\n");
        response->end();
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    double seen = 0;
    FleetSnapshot latest;
    SseParser parser;
    const std::unique_ptr<HttpReply> events(fleet.send("GET", QStringLiteral("/api/events")));
    events->setStreaming(true);
    connect(events.get(), &HttpReply::data, events.get(), [&](const QByteArray& bytes) {
        for (const SseEvent& event : parser.push(bytes)) {
            const QJsonObject json = QJsonDocument::fromJson(event.data).object();
            if (event.event == "fleet")
                latest = fleetSnapshotFromJson(json);
            else if (event.event == "throughput")
                seen = std::max(seen, throughputSampleFromJson(json).tokensPerSecond);
        }
    });
    QTRY_COMPARE(latest.nodes.size(), 1);
    QVERIFY(latest.models.first().status == ModelStatus::Loaded);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loading, 0.5);
    QTRY_VERIFY(latest.models.first().status == ModelStatus::Loading);
    QCOMPARE(latest.models.first().progress->fraction, 0.5);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    QCOMPARE(fleet.ask("POST", chat, streamBody("m"))->status(), 200);
    QTRY_VERIFY(seen > 1);
}

void TestGateway::headOfTheEventsEnds()
{
    Fleet fleet({});
    const auto head = fleet.ask("HEAD", QStringLiteral("/api/events"));
    QCOMPARE(head->status(), 200);
    QVERIFY(head->headers().value("content-type").startsWith("text/event-stream"));
    QCOMPARE(fleet.ask("GET", QStringLiteral("/health"))->status(), 200); // on the same connection
}

void TestGateway::metricsText()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    neuron.onCompletion = [](const HttpRequest&, const Response& response) {
        response->beginEventStream();
        response->write(chunk("a") + chunk("b"));
        response->write("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":5,"
                        "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\ndata: [DONE]\n\n");
        response->end();
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    const std::unique_ptr<HttpReply> asked(fleet.send("POST", chat, streamBody("m")));
    QTRY_VERIFY(neuron.status(QStringLiteral("m")) == ModelStatus::Loading);
    neuron.setStatus(QStringLiteral("m"), ModelStatus::Loaded);
    QTRY_VERIFY(asked->isFinished());
    fleet.ask("POST", chat, "{\"model\":\"unheard-of\"}");
    const QByteArray text = fleet.metrics();
    const QByteArrayList expected{
        "cortex_requests_total{model=\"m\",node=\"n1\"} 1",
        "cortex_requests_total{model=\"\",node=\"\"} 1",
        "cortex_request_errors_total{model=\"\",node=\"\"} 1",
        "cortex_prompt_tokens_total{model=\"m\",node=\"n1\"} 11",
        "cortex_completion_tokens_total{model=\"m\",node=\"n1\"} 5",
        "cortex_cached_prompt_tokens_total{model=\"m\",node=\"n1\"} 4",
        "cortex_cold_starts_total{model=\"m\",node=\"n1\"} 1",
        "cortex_request_duration_seconds_count{model=\"m\",node=\"n1\"} 1",
        "cortex_request_duration_seconds_bucket{model=\"m\",node=\"n1\",le=\"+Inf\"} 1",
        "cortex_time_to_first_token_seconds_count{model=\"m\",node=\"n1\"} 1",
        "cortex_model_in_flight{model=\"m\",node=\"n1\"} 0",
        "cortex_model_queue_depth{model=\"m\",node=\"n1\"} 0",
        "cortex_device_vram_used_bytes{device=\"0\",node=\"n1\"} 4294967296",
        "cortex_device_utilization_ratio{device=\"0\",node=\"n1\"} 0.25",
    };
    for (const QByteArray& line : expected)
        QVERIFY2(text.contains(line + "\n"), (line + " is missing in:\n" + text).constData());
    QVERIFY(!text.contains("unheard-of"));
}

void TestGateway::portInUse()
{
    Fleet fleet({});
    GatewayConfig config;
    config.listen = QStringLiteral("127.0.0.1:%1").arg(fleet.gateway->port());
    config.metricsListen = QStringLiteral("127.0.0.1:0");
    Gateway second(config, {});
    const std::optional<QString> error = second.start();
    QVERIFY(error);
    QVERIFY2(error->contains(QString::number(fleet.gateway->port())), qPrintable(*error));
    QSignalSpy stopped(&second, &Gateway::stopped);
    second.stop(0);
    QCOMPARE(stopped.size(), 1);
}

void TestGateway::threadStartsAndStops()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"));
    neuron.listen();
    GatewayConfig config;
    config.listen = QStringLiteral("127.0.0.1:0");
    config.metricsListen = QStringLiteral("127.0.0.1:0");
    config.neurons = {{QStringLiteral("n1"), neuron.endpoint()}};
    auto thread = std::make_unique<GatewayThread>(config, Catalogue());
    QSignalSpy started(thread.get(), &GatewayThread::started);
    QSignalSpy failed(thread.get(), &GatewayThread::operationFailed);
    FleetSnapshot latest;
    QThread* deliveredOn = nullptr;
    connect(thread.get(), &GatewayThread::fleetChanged, this, [&](const FleetSnapshot& fleet) {
        latest = fleet;
        deliveredOn = QThread::currentThread();
    });
    thread->start();
    QTRY_COMPARE(started.size(), 1);
    QVERIFY(started.first().first().toUInt() > 0);
    QTRY_VERIFY(!latest.nodes.isEmpty() && latest.nodes.first().status == NodeStatus::Online);
    QCOMPARE(deliveredOn, QThread::currentThread());
    thread->loadModel(QStringLiteral("m"), {});
    QTRY_COMPARE(neuron.loadOrders, 1);
    thread->unloadModel(QStringLiteral("nothing"), {});
    QTRY_COMPARE(failed.size(), 1);
    thread.reset();
    QTRY_COMPARE(neuron.listenerCount(), 0);

    config.listen = QStringLiteral("nonsense");
    GatewayThread broken(config, {});
    QSignalSpy startFailed(&broken, &GatewayThread::startFailed);
    broken.start();
    QTRY_COMPARE(startFailed.size(), 1);
    QVERIFY(startFailed.first().first().toString().contains(QLatin1String("nonsense")));
    GatewayThread neverStarted({}, {});
}

void TestGateway::stopLetsRunningRequestsFinish()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    neuron.addModel(QStringLiteral("slow"));
    Response held;
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        response->beginEventStream();
        response->write(chunk("one"));
    };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor("one"));
    const std::unique_ptr<HttpReply> waiting(fleet.send("POST", chat, "{\"model\":\"slow\"}"));
    const std::unique_ptr<HttpReply> events(fleet.send("GET", QStringLiteral("/api/events")));
    QTRY_VERIFY(neuron.status(QStringLiteral("slow")) == ModelStatus::Loading);
    QSignalSpy stopped(fleet.gateway.get(), &Gateway::stopped);
    fleet.gateway->stop(10'000);
    QTRY_VERIFY(waiting->isFinished());
    QCOMPARE(waiting->status(), 503);
    QTRY_VERIFY(events->isFinished());
    QCOMPARE(events->failure(), HttpReply::Failure::None);
    QVERIFY(stopped.isEmpty());
    held->write(chunk("two") + "data: [DONE]\n\n");
    held->end();
    held.reset();
    QVERIFY(stream.waitForEnd());
    QCOMPARE(stream.reply->failure(), HttpReply::Failure::None);
    QVERIFY(stream.bytes.endsWith("[DONE]\n\n"));
    QTRY_COMPARE(stopped.size(), 1);
}

void TestGateway::dropsEverythingAtOnce()
{
    FakeNeuron neuron;
    neuron.addModel(QStringLiteral("m"), ModelStatus::Loaded);
    neuron.addModel(QStringLiteral("slow"));
    Response held;
    Response heldLoad;
    neuron.onCompletion = [&](const HttpRequest&, const Response& response) {
        held = response;
        response->beginEventStream();
        response->write(chunk("one"));
    };
    neuron.onLoad = [&](const HttpRequest&, const Response& response) { heldLoad = response; };
    Fleet fleet({&neuron});
    QTRY_VERIFY(fleet.allOnline());
    Stream stream(fleet.send("POST", chat, streamBody("m")));
    QVERIFY(stream.waitFor("one"));
    const std::unique_ptr<HttpReply> operation(fleet.send("POST", QStringLiteral("/api/models/slow/load")));
    QTRY_VERIFY(heldLoad);
    Stream waiting(fleet.send("POST", chat, streamBody("slow")));
    Stream events(fleet.send("GET", QStringLiteral("/api/events")));
    QVERIFY(events.waitFor("event: fleet"));
    QVERIFY(waiting.waitFor(": "));
    fleet.gateway.reset();
    for (const Stream* each : {&stream, &waiting, &events}) {
        QVERIFY(each->waitForEnd());
        QVERIFY(!each->bytes.contains("[DONE]"));
    }
    QVERIFY(stream.reply->failure() != HttpReply::Failure::None);
    QTRY_VERIFY(operation->isFinished());
    QTRY_VERIFY(!held->isOpen()); // the node is told to stop
}

QTEST_GUILESS_MAIN(TestGateway)
#include "test_gateway.moc"
