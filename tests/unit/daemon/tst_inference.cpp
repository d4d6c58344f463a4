// SPDX-License-Identifier: GPL-3.0-only
#include "daemonfixture.h"
#include "neuron/daemon/apierror.h"
#include "neuron/daemon/openai/prompt.h"

#include <QTest>

using namespace cortex;
using namespace cortex::neuron;
using namespace cortex::neuron::test;

/// OpenAI's routes over real HTTP.
class InferenceTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void chatAnswersWhole();
    void chatStreams();
    void completionsStream();
    void reasoningAndCallsWhole();
    void reasoningAndCallsStream();
    void cutCallIsText();
    void completionsAreNotSplit();
    void templateGetsItsContext();
    void optionsReachTheEngine();
    void completionTakesTokens();
    void lengthIsAReason();
    void failureInMidStream();
    void failureOfAWholeAnswer();
    void disconnectCancels();
    void disconnectOfAWholeAnswerCancels();
    void queueFull();
    void contextExceeded();
    void farTooLongIsNotTokenized();
    void whoLeftIsNotTokenizedFor();
    void abandonedWorkEndsBeforeTheTokenizer();
    void byteOrderMarksStay();
    void refusals_data();
    void refusals();
    void baseModelHasNoChat();
    void manyAtOnce();
    void tokenizeAndBack();
    void tokenizeHasALimit();
    void modelsAreThoseLoaded();
    void embeddingsAreRefused();
};

namespace {

const QString ChatRoute = QStringLiteral("/v1/chat/completions");
const QString TextRoute = QStringLiteral("/v1/completions");
const QStringList Good = {QStringLiteral("good.gguf")};

/// The prompt as text that a request made (the fake tokenizer has a token a byte).
std::string promptText(const engine::SequenceRequest& request)
{
    return FakeTokenizer().decode(request.prompt, false);
}

QJsonObject firstChoice(const QJsonObject& answer)
{
    return answer.value(QLatin1String("choices")).toArray().first().toObject();
}

} // namespace

void InferenceTest::chatAnswersWhole()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const HttpAnswer answer =
        fixture.post(ChatRoute, R"({"model": "good", "messages": [{"role": "user", "content": "hi"}]})");
    QCOMPARE(answer.status, 200);
    const QJsonObject json = answer.json();
    QCOMPARE(json.value(QLatin1String("object")).toString(), QStringLiteral("chat.completion"));
    QCOMPARE(json.value(QLatin1String("model")).toString(), QStringLiteral("good"));
    QVERIFY(json.value(QLatin1String("id")).toString().startsWith(QLatin1String("chatcmpl-")));
    const QJsonObject choice = firstChoice(json);
    QCOMPARE(choice.value(QLatin1String("finish_reason")).toString(), QStringLiteral("stop"));
    const QJsonObject message = choice.value(QLatin1String("message")).toObject();
    QCOMPARE(message.value(QLatin1String("role")).toString(), QStringLiteral("assistant"));
    QCOMPARE(message.value(QLatin1String("content")).toString(), QStringLiteral("Hello there friend"));
    const QJsonObject usage = json.value(QLatin1String("usage")).toObject();
    const int prompt = int(fixture.engines.requests()[0].prompt.size());
    QCOMPARE(usage.value(QLatin1String("prompt_tokens")).toInt(), prompt);
    QCOMPARE(usage.value(QLatin1String("completion_tokens")).toInt(), 3);
    QCOMPARE(usage.value(QLatin1String("total_tokens")).toInt(), prompt + 3);
    const QJsonObject timings = json.value(QLatin1String("timings")).toObject();
    QCOMPARE(timings.value(QLatin1String("queue_ms")).toDouble(), 1.0);
    QCOMPARE(timings.value(QLatin1String("decode_ms")).toDouble(), 4.0);
    QCOMPARE(timings.value(QLatin1String("predicted_per_second")).toDouble(), 500.0);
}

void InferenceTest::chatStreams()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const auto stream = fixture.stream("POST", ChatRoute, R"({"model": "good", "stream": true,
        "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hi"}]})");
    QTRY_VERIFY(stream->isFinished());
    QCOMPARE(stream->status(), 200);
    QVERIFY(stream->headers().value("Content-Type").startsWith("text/event-stream"));
    QCOMPARE(stream->headers().value("Cache-Control"), QByteArray("no-cache"));
    QCOMPARE(stream->headers().value("X-Accel-Buffering"), QByteArray("no"));

    QCOMPARE(stream->events().last().data, QByteArray("[DONE]"));
    const QList<QJsonObject> chunks = stream->json();
    QCOMPARE(chunks.size(), 7); // role, three words, finish, usage, [DONE]
    const auto delta = [&chunks](int i) { return firstChoice(chunks[i]).value(QLatin1String("delta")).toObject(); };
    QCOMPARE(delta(0).value(QLatin1String("role")).toString(), QStringLiteral("assistant"));
    QString text;
    for (int i = 1; i <= 3; ++i) {
        text += delta(i).value(QLatin1String("content")).toString();
        QVERIFY(firstChoice(chunks[i]).value(QLatin1String("finish_reason")).isNull());
        QCOMPARE(chunks[i].value(QLatin1String("id")), chunks[0].value(QLatin1String("id")));
        QCOMPARE(chunks[i].value(QLatin1String("object")).toString(), QStringLiteral("chat.completion.chunk"));
    }
    QCOMPARE(text, QStringLiteral("Hello there friend"));
    QCOMPARE(firstChoice(chunks[4]).value(QLatin1String("finish_reason")).toString(), QStringLiteral("stop"));
    QVERIFY(chunks[4].contains(QLatin1String("timings")));
    QVERIFY(chunks[5].value(QLatin1String("choices")).toArray().isEmpty());
    QCOMPARE(chunks[5].value(QLatin1String("usage")).toObject().value(QLatin1String("completion_tokens")).toInt(), 3);
}

void InferenceTest::completionsStream()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const auto stream = fixture.stream("POST", TextRoute, R"({"model": "good", "stream": true, "prompt": "Once"})");
    QTRY_VERIFY(stream->isFinished());
    const QList<QJsonObject> chunks = stream->json();
    QCOMPARE(chunks.size(), 5); // three words, finish, [DONE]
    QCOMPARE(chunks[0].value(QLatin1String("object")).toString(), QStringLiteral("text_completion"));
    QCOMPARE(firstChoice(chunks[0]).value(QLatin1String("text")).toString(), QStringLiteral("Hello"));
    QCOMPARE(firstChoice(chunks[3]).value(QLatin1String("finish_reason")).toString(), QStringLiteral("stop"));
    QCOMPARE(promptText(fixture.engines.requests()[0]), std::string("<s>Once")); // this model wants bos
}

namespace {

const char* const ThoughtAndCalls = "I should look.\n</think>\n\nOne moment.\n<tool_call>\n"
                                    "{\"name\": \"f\", \"arguments\": {\"a\": \"x y\"}}\n</tool_call>\n<tool_call>\n"
                                    "<function=g>\n<parameter=n>\n5\n</parameter>\n</function>\n</tool_call>";

QByteArray chatWithTools(const char* more)
{
    return QByteArray(R"({"model": "good", "messages": [{"role": "user", "content": "hi"}],
        "chat_template_kwargs": {"thinking": true}, "tools": [{"type": "function", "function": {"name": "f"}},
        {"type": "function", "function": {"name": "g", "parameters": {"properties": {"n": {"type": "integer"}}}}}])")
        + more + '}';
}

void checkCall(const QJsonValue& value, const QString& name, const QString& arguments)
{
    const QJsonObject call = value.toObject();
    const QJsonObject function = call.value(QLatin1String("function")).toObject();
    QVERIFY(call.value(QLatin1String("id")).toString().startsWith(QLatin1String("call_")));
    QCOMPARE(call.value(QLatin1String("type")).toString(), QStringLiteral("function"));
    QCOMPARE(function.value(QLatin1String("name")).toString(), name);
    QCOMPARE(function.value(QLatin1String("arguments")).toString(), arguments);
}

} // namespace

void InferenceTest::reasoningAndCallsWhole()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setReply(ThoughtAndCalls);
    const QJsonObject choice = firstChoice(fixture.post(ChatRoute, chatWithTools("")).json());
    QCOMPARE(choice.value(QLatin1String("finish_reason")).toString(), QStringLiteral("tool_calls"));
    const QJsonObject message = choice.value(QLatin1String("message")).toObject();
    QCOMPARE(message.value(QLatin1String("reasoning_content")).toString(), QStringLiteral("I should look."));
    QCOMPARE(message.value(QLatin1String("content")).toString(), QStringLiteral("One moment."));
    const QJsonArray calls = message.value(QLatin1String("tool_calls")).toArray();
    QCOMPARE(calls.size(), 2);
    checkCall(calls[0], QStringLiteral("f"), QStringLiteral(R"({"a":"x y"})"));
    checkCall(calls[1], QStringLiteral("g"), QStringLiteral(R"({"n":5})"));
    QVERIFY(calls[0].toObject().value(QLatin1String("id")) != calls[1].toObject().value(QLatin1String("id")));

    fixture.engines.setReply("</think><tool_call>{\"name\": \"f\"}</tool_call>");
    const QJsonObject bare =
        firstChoice(fixture.post(ChatRoute, chatWithTools("")).json()).value(QLatin1String("message")).toObject();
    QVERIFY(bare.value(QLatin1String("content")).isNull());
    QVERIFY(!bare.contains(QLatin1String("reasoning_content")));
}

void InferenceTest::reasoningAndCallsStream()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setReply(ThoughtAndCalls);
    const auto stream = fixture.stream("POST", ChatRoute, chatWithTools(R"(, "stream": true)"));
    QTRY_VERIFY(stream->isFinished());
    QString reasoning;
    QString content;
    QJsonArray calls;
    QString reason;
    for (const QJsonObject& chunk : stream->json()) {
        const QJsonObject delta = firstChoice(chunk).value(QLatin1String("delta")).toObject();
        reasoning += delta.value(QLatin1String("reasoning_content")).toString();
        content += delta.value(QLatin1String("content")).toString();
        for (const QJsonValue& call : delta.value(QLatin1String("tool_calls")).toArray()) {
            QCOMPARE(call.toObject().value(QLatin1String("index")).toInt(-1), int(calls.size()));
            calls.append(call);
        }
        reason += firstChoice(chunk).value(QLatin1String("finish_reason")).toString();
    }
    QCOMPARE(reasoning, QStringLiteral("I should look."));
    QCOMPARE(content, QStringLiteral("One moment."));
    QCOMPARE(calls.size(), 2);
    checkCall(calls[0], QStringLiteral("f"), QStringLiteral(R"({"a":"x y"})"));
    checkCall(calls[1], QStringLiteral("g"), QStringLiteral(R"({"n":5})"));
    QCOMPARE(reason, QStringLiteral("tool_calls"));
}

void InferenceTest::cutCallIsText()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setReply("</think>\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>");
    const QJsonObject choice = firstChoice(fixture.post(ChatRoute, chatWithTools(R"(, "max_tokens": 2)")).json());
    QCOMPARE(choice.value(QLatin1String("finish_reason")).toString(), QStringLiteral("length"));
    QCOMPARE(choice.value(QLatin1String("message")).toObject().value(QLatin1String("content")).toString(),
             QStringLiteral("<tool_call>{\"name\": \"f\","));
}

void InferenceTest::completionsAreNotSplit()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setReply("<think>a</think> b");
    const HttpAnswer answer = fixture.post(TextRoute, R"({"model": "good", "prompt": "x"})");
    QCOMPARE(firstChoice(answer.json()).value(QLatin1String("text")).toString(), QStringLiteral("<think>a</think> b"));
}

void InferenceTest::templateGetsItsContext()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    QCOMPARE(fixture
                 .post(ChatRoute, R"({"model": "good", "chat_template_kwargs": {"mood": "glad"},
        "tools": [{"type": "function", "function": {"name": "f"}}], "unknown_field": [1],
        "messages": [{"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "kind"}]},
                     {"role": "assistant", "content": null}, {"role": "user", "content": "hi"}]})")
                 .status,
             200);
    QCOMPARE(promptText(fixture.engines.requests()[0]),
             std::string("<s><system>be kind<assistant><user>hi[1 tools](glad)<assistant>"));
}

void InferenceTest::optionsReachTheEngine()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    QCOMPARE(fixture
                 .post(ChatRoute, R"({"model": "good", "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "presence_penalty": 1, "frequency_penalty": -1,
        "repetition_penalty": 1.1, "logit_bias": {"5": -100}, "seed": 42, "stop": ["a", "b"], "max_tokens": 9,
        "max_completion_tokens": 2})")
                 .status,
             200);
    const engine::SequenceRequest request = fixture.engines.requests()[0];
    QCOMPARE(request.maxTokens, 2);
    QCOMPARE(request.stop, (std::vector<std::string>{"a", "b"}));
    QCOMPARE(request.sampling.temperature, 0.5f);
    QCOMPARE(request.sampling.topP, 0.9f);
    QCOMPARE(request.sampling.topK, 40);
    QCOMPARE(request.sampling.minP, 0.05f);
    QCOMPARE(request.sampling.presencePenalty, 1.0f);
    QCOMPARE(request.sampling.frequencyPenalty, -1.0f);
    QCOMPARE(request.sampling.repetitionPenalty, 1.1f);
    QCOMPARE(request.sampling.logitBias.at(5), -100.0f);
    QCOMPARE(request.sampling.seed, uint64_t(42));
}

void InferenceTest::completionTakesTokens()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    QCOMPARE(fixture.post(TextRoute, R"({"model": "good", "prompt": [65, 66, 257]})").status, 200);
    QCOMPARE(fixture.engines.requests()[0].prompt, (std::vector<int32_t>{65, 66, 257}));
}

void InferenceTest::lengthIsAReason()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const HttpAnswer answer = fixture.post(TextRoute, R"({"model": "good", "prompt": "x", "max_tokens": 2})");
    QCOMPARE(firstChoice(answer.json()).value(QLatin1String("finish_reason")).toString(), QStringLiteral("length"));
    QCOMPARE(firstChoice(answer.json()).value(QLatin1String("text")).toString(), QStringLiteral("Hello there"));
}

void InferenceTest::failureInMidStream()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.failNext("device fault");
    const auto stream = fixture.stream(
        "POST", ChatRoute, R"({"model": "good", "stream": true, "messages": [{"role": "user", "content": "hi"}]})");
    QTRY_VERIFY(stream->isFinished());
    const QJsonObject error = stream->json().last().value(QLatin1String("error")).toObject();
    QCOMPARE(error.value(QLatin1String("message")).toString(), QStringLiteral("device fault"));
    for (const SseEvent& event : stream->events())
        QVERIFY(event.data != "[DONE]");
}

void InferenceTest::failureOfAWholeAnswer()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.failNext("device fault");
    const HttpAnswer answer = fixture.post(TextRoute, R"({"model": "good", "prompt": "x"})");
    QCOMPARE(answer.status, 500);
    QCOMPARE(answer.error().value(QLatin1String("message")).toString(), QStringLiteral("device fault"));
}

void InferenceTest::disconnectCancels()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdTokens();
    const auto stream = fixture.stream("POST", TextRoute, R"({"model": "good", "stream": true, "prompt": "x"})");
    QTRY_COMPARE(fixture.engines.requests().size(), 1u);
    QTRY_COMPARE(stream->status(), 200); // headers come before the first token
    stream->hangUp();
    QTRY_COMPARE(fixture.engines.cancelled(), 1);
    QCOMPARE(fixture.post(QStringLiteral("/models/unload"), R"({"model_id": "good"})").status,
             200); // no lease is left behind
}

void InferenceTest::disconnectOfAWholeAnswerCancels()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdTokens();
    const auto reply = fixture.begin("POST", TextRoute, R"({"model": "good", "prompt": "x"})");
    QTRY_COMPARE(fixture.engines.requests().size(), 1u);
    reply->abort();
    QTRY_COMPARE(fixture.engines.cancelled(), 1);
}

void InferenceTest::queueFull()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setQueueLimit(0);
    for (const char* body :
         {R"({"model": "good", "prompt": "x"})", R"({"model": "good", "prompt": "x", "stream": true})"}) {
        const HttpAnswer answer = fixture.post(TextRoute, body);
        QCOMPARE(answer.status, 503); // before any header of a stream
        QCOMPARE(answer.error().value(QLatin1String("code")).toString(), QStringLiteral("queue_full"));
        QVERIFY(answer.headers.value("Retry-After").toInt() > 0);
    }
    const Health health = healthFromJson(fixture.get(QStringLiteral("/health")).json());
    QCOMPARE(health.models.first().rejectedQueueFull, 2);
}

void InferenceTest::contextExceeded()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const QByteArray text(2000, 'x');
    const HttpAnswer chat =
        fixture.post(ChatRoute, R"({"model": "good", "messages": [{"role": "user", "content": ")" + text + "\"}]}");
    QCOMPARE(chat.status, 400);
    QCOMPARE(chat.error().value(QLatin1String("param")).toString(), QStringLiteral("messages"));
    const HttpAnswer answer = fixture.post(TextRoute, R"({"model": "good", "prompt": ")" + text + "\"}");
    QCOMPARE(answer.error().value(QLatin1String("param")).toString(), QStringLiteral("prompt"));
    QCOMPARE(answer.status, 400);
    QCOMPARE(answer.error().value(QLatin1String("code")).toString(), QStringLiteral("context_length_exceeded"));
    QVERIFY(answer.error()
                .value(QLatin1String("message"))
                .toString()
                .startsWith(QLatin1String("This model's maximum context length is 1000 tokens")));
}

void InferenceTest::farTooLongIsNotTokenized()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const QByteArray text(3001, 'x'); // no token has more than 3 bytes, and the context has 1000
    const QByteArray chat = R"({"model": "good", "messages": [{"role": "user", "content": ")" + text + "\"}]}";
    const QByteArray plain = R"({"model": "good", "prompt": ")" + text + "\"}";
    for (const auto& [route, body, param] :
         {std::tuple(ChatRoute, chat, "messages"), std::tuple(TextRoute, plain, "prompt")}) {
        const HttpAnswer answer = fixture.post(route, body);
        QCOMPARE(answer.status, 400);
        QCOMPARE(answer.error().value(QLatin1String("code")).toString(), QStringLiteral("context_length_exceeded"));
        QCOMPARE(answer.error().value(QLatin1String("param")).toString(), QLatin1String(param));
        QVERIFY(answer.error()
                    .value(QLatin1String("message"))
                    .toString()
                    .startsWith(QLatin1String("This model's maximum context length is 1000 tokens")));
    }
    QCOMPARE(fixture.engines.encodings(), 0);
    // Three bytes for each token: "<s>" is one, and this may fit.
    const QByteArray dense = R"({"model": "good", "prompt": ")" + QByteArray("<s>").repeated(990) + "\"}";
    QCOMPARE(fixture.post(TextRoute, dense).status, 200);
}

void InferenceTest::whoLeftIsNotTokenizedFor()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.holdEncoding();
    const QByteArray body = R"({"model": "good", "prompt": "x"})";
    const auto first = fixture.begin("POST", TextRoute, body);
    const auto second = fixture.begin("POST", TextRoute, body);
    QTRY_COMPARE(fixture.engines.encodings(), 2); // no worker is free
    const auto left = fixture.begin("POST", TextRoute, body);
    fixture.get(QStringLiteral("/health")); // came later, so that the other has come, too
    left->abort();
    fixture.get(QStringLiteral("/health")); // likewise with its departure
    const auto last = fixture.begin("POST", TextRoute, body);
    fixture.get(QStringLiteral("/health"));
    fixture.engines.releaseEncoding();
    QTRY_VERIFY(first->isFinished() && second->isFinished() && last->isFinished());
    QCOMPARE(last->status(), 200);
    QCOMPARE(fixture.engines.encodings(), 3);
}

void InferenceTest::abandonedWorkEndsBeforeTheTokenizer()
{
    FakeEngines engines;
    engine::LoadOptions options;
    options.model = "good.gguf";
    const auto engine = engines.load(options, [](double, const std::string&) { return true; });
    Conversation conversation;
    conversation.messages.push_back({{"role", "user"}, {"content", "hi"}});
    Abandoned abandoned = true;
    QVERIFY_THROWS_EXCEPTION(ApiError, conversationPrompt(*engine, conversation, abandoned));
    QVERIFY_THROWS_EXCEPTION(ApiError, promptTokens(*engine, std::string("x"), abandoned));
    QCOMPARE(engines.encodings(), 0);
    abandoned = false;
    QCOMPARE(promptTokens(*engine, std::string("x"), abandoned), (std::vector<int32_t>{256, 'x'}));
}

void InferenceTest::byteOrderMarksStay()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    fixture.engines.setReply("\xef\xbb\xbfOne \xef\xbb\xbftwo");
    // Read as bytes: QJsonDocument drops the mark as it reads, too.
    const HttpAnswer whole = fixture.post(TextRoute, R"({"model": "good", "prompt": "x"})");
    QVERIFY2(whole.body.contains("\"\xef\xbb\xbfOne \xef\xbb\xbftwo\""), whole.body.constData());
    const QByteArray messages = R"({"model": "good", "stream": true, "messages": [{"role": "user", "content": "hi"}]})";
    const auto stream = fixture.stream("POST", ChatRoute, messages);
    QTRY_VERIFY(stream->isFinished());
    QVERIFY2(stream->events()[1].data.contains("\"\xef\xbb\xbfOne\""), stream->events()[1].data.constData());
    const HttpAnswer text = fixture.post(QStringLiteral("/detokenize"), R"({"tokens": [239, 187, 191, 72]})");
    QCOMPARE(text.body, QByteArray("{\"content\":\"\xef\xbb\xbfH\"}"));
}

void InferenceTest::refusals_data()
{
    QTest::addColumn<QString>("route");
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<int>("status");
    QTest::addColumn<QString>("param");
    QTest::addColumn<QString>("says");
    QTest::newRow("no JSON") << ChatRoute << QByteArray("nonsense") << 400 << QString()
                             << QStringLiteral("not valid JSON");
    QTest::newRow("unknown model") << TextRoute << QByteArray(R"({"model": "nowhere", "prompt": "x"})") << 404
                                   << QStringLiteral("model") << QStringLiteral("nowhere");
    QTest::newRow("unloaded model") << TextRoute << QByteArray(R"({"model": "other", "prompt": "x"})") << 404
                                    << QStringLiteral("model") << QStringLiteral("not loaded");
    QTest::newRow("template raises") << ChatRoute
                                     << QByteArray(
                                            R"({"model": "good", "messages": [{"role": "user", "content": "raise"}]})")
                                     << 400 << QString() << QStringLiteral("no such thing");
    QTest::newRow("bad temperature") << TextRoute
                                     << QByteArray(R"({"model": "good", "prompt": "x", "temperature": "hot"})") << 400
                                     << QStringLiteral("temperature") << QStringLiteral("temperature");
}

void InferenceTest::refusals()
{
    QFETCH(QString, route);
    QFETCH(QByteArray, body);
    QFETCH(QString, says);
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("other.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    const HttpAnswer answer = fixture.post(route, body);
    QTEST(answer.status, "status");
    QTEST(answer.error().value(QLatin1String("param")).toString(), "param");
    QVERIFY2(answer.error().value(QLatin1String("message")).toString().contains(says), answer.body.constData());
    QVERIFY(answer.error().contains(QLatin1String("type")) && answer.error().contains(QLatin1String("code")));
    if (answer.status == 404)
        QCOMPARE(answer.error().value(QLatin1String("code")).toString(), QStringLiteral("model_not_found"));
}

void InferenceTest::baseModelHasNoChat()
{
    DaemonFixture fixture({QStringLiteral("base.gguf")});
    QVERIFY(fixture.load(QStringLiteral("base")));
    QCOMPARE(fixture.model(QStringLiteral("base")).value(QLatin1String("capabilities")).toArray(),
             QJsonArray{QStringLiteral("completion")});
    const HttpAnswer answer =
        fixture.post(ChatRoute, R"({"model": "base", "messages": [{"role": "user", "content": "hi"}]})");
    QCOMPARE(answer.status, 400);
    QVERIFY(answer.error().value(QLatin1String("message")).toString().contains(QLatin1String("/v1/completions")));
    QCOMPARE(fixture.post(TextRoute, R"({"model": "base", "prompt": "x"})").status, 200);
}

void InferenceTest::manyAtOnce()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    std::vector<std::unique_ptr<EventReader>> streams;
    for (int i = 0; i < 32; ++i)
        streams.push_back(fixture.stream("POST", TextRoute, R"({"model": "good", "stream": true, "prompt": "x"})"));
    for (const auto& stream : streams) {
        QTRY_VERIFY(stream->isFinished());
        QCOMPARE(stream->json().size(), 5);
        QCOMPARE(stream->events().last().data, QByteArray("[DONE]"));
    }
    QCOMPARE(fixture.engines.requests().size(), 32u);
}

void InferenceTest::tokenizeAndBack()
{
    DaemonFixture fixture(Good);
    const QString tokenize = QStringLiteral("/tokenize");
    QCOMPARE(fixture.post(tokenize, R"({"content": "AB"})").status, 400); // which model?
    QVERIFY(fixture.load(QStringLiteral("good")));
    const auto tokens = [&](const QByteArray& body) {
        return fixture.post(tokenize, body).json().value(QLatin1String("tokens")).toArray();
    };
    QCOMPARE(tokens(R"({"content": "AB"})"), (QJsonArray{65, 66}));
    QCOMPARE(tokens(R"({"prompt": "AB", "model": "good", "add_special": true})"), (QJsonArray{256, 65, 66}));
    QCOMPARE(tokens(R"({"messages": [{"role": "user", "content": "hi"}]})").size(), qsizetype(1 + 6 + 2 + 11));
    const HttpAnswer text = fixture.post(QStringLiteral("/detokenize"), R"({"tokens": [72, 105]})");
    QCOMPARE(text.json().value(QLatin1String("content")).toString(), QStringLiteral("Hi"));
}

void InferenceTest::tokenizeHasALimit()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const auto ask = [&](qsizetype bytes) {
        return fixture.post(QStringLiteral("/tokenize"), R"({"content": ")" + QByteArray(bytes, '7') + "\"}");
    };
    const HttpAnswer more = ask(8 * 1024 * 1024 + 1);
    QCOMPARE(more.status, 400);
    QCOMPARE(more.error().value(QLatin1String("param")).toString(), QStringLiteral("content"));
    QCOMPARE(fixture.engines.encodings(), 0);
    const HttpAnswer beyondContext = ask(5000); // which is no limit here
    QCOMPARE(beyondContext.body, "{\"count\":5000,\"tokens\":[55" + QByteArray(",55").repeated(4999) + "]}");
}

void InferenceTest::modelsAreThoseLoaded()
{
    DaemonFixture fixture({QStringLiteral("good.gguf"), QStringLiteral("other.gguf")});
    QVERIFY(fixture.load(QStringLiteral("good")));
    const QJsonObject json = fixture.get(QStringLiteral("/v1/models")).json();
    QCOMPARE(json.value(QLatin1String("object")).toString(), QStringLiteral("list"));
    const QJsonArray data = json.value(QLatin1String("data")).toArray();
    QCOMPARE(data.size(), 1);
    QCOMPARE(data.first().toObject().value(QLatin1String("id")).toString(), QStringLiteral("good"));
    QCOMPARE(data.first().toObject().value(QLatin1String("object")).toString(), QStringLiteral("model"));
    QVERIFY(data.first().toObject().value(QLatin1String("created")).toInteger() > 0);
}

void InferenceTest::embeddingsAreRefused()
{
    DaemonFixture fixture(Good);
    QVERIFY(fixture.load(QStringLiteral("good")));
    const HttpAnswer answer = fixture.post(QStringLiteral("/v1/embeddings"), R"({"model": "good", "input": "x"})");
    QCOMPARE(answer.status, 400);
    QVERIFY(
        answer.error().value(QLatin1String("message")).toString().contains(QLatin1String("does not do embeddings")));
    QCOMPARE(fixture.post(QStringLiteral("/v1/embeddings"), R"({"model": "nowhere", "input": "x"})").status, 404);
}

QTEST_GUILESS_MAIN(InferenceTest)
#include "tst_inference.moc"
