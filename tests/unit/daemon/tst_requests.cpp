// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/apierror.h"
#include "neuron/daemon/openai/requests.h"

#include <QTest>

using namespace cortex::neuron;

/// Bodies of the inference routes: bytes → struct, and what is refused.
class RequestsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void badChatBodies_data();
    void badChatBodies();
    void badCompletionBodies_data();
    void badCompletionBodies();
    void defaultsAreNeutral();
    void keepsTheOrderOfKeys();
    void unpacksToolArguments();
    void doubleKeysCountOnce();
    void hostileSizesStayCheap();
};

namespace {

QByteArray chat(const QByteArray& fields)
{
    return QByteArray(R"({"model": "m", "messages": [{"role": "user", "content": "x"}], )") + fields + '}';
}

QByteArray text(const QByteArray& fields)
{
    return QByteArray(R"({"model": "m", "prompt": "x", )") + fields + '}';
}

} // namespace

void RequestsTest::badChatBodies_data()
{
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("param");
    const auto row = [](const char* name, const QByteArray& body, const char* param) {
        QTest::newRow(name) << body << QString::fromLatin1(param);
    };
    row("empty", "", "");
    row("cut", R"({"model": )", "");
    row("not UTF-8", "{\"model\": \"\xff\xfe\"}", "");
    row("half a surrogate", R"({"model": "\ud83d"})", "");
    row("trailing text", R"({"model": "m"} x)", "");
    row("number too large", chat(R"("temperature": 1e999)"), "");
    row("NaN", chat(R"("temperature": NaN)"), "");
    row("list", "[]", "");
    row("null", "null", "");
    row("no model", R"({"messages": [{"role": "user", "content": "x"}]})", "model");
    row("model is a number", R"({"model": 1, "messages": []})", "model");
    row("no messages", R"({"model": "m"})", "messages");
    row("messages is a string", R"({"model": "m", "messages": "x"})", "messages");
    row("no message", R"({"model": "m", "messages": []})", "messages");
    row("message is a string", R"({"model": "m", "messages": ["x"]})", "messages[0]");
    row("no role", R"({"model": "m", "messages": [{"content": "x"}]})", "messages[0].role");
    row("odd role", R"({"model": "m", "messages": [{"role": "king", "content": "x"}]})", "messages[0].role");
    row("user without content", R"({"model": "m", "messages": [{"role": "user"}]})", "messages[0].content");
    row("content is a number", R"({"model": "m", "messages": [{"role": "user", "content": 7}]})",
        "messages[0].content");
    row("picture",
        R"({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]})",
        "messages[0].content");
    row("part without text", R"({"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]})",
        "messages[0].content");
    row("tool call without function",
        R"({"model": "m", "messages": [{"role": "assistant", "content": null, "tool_calls": [{}]}]})",
        "messages[0].tool_calls");
    row("temperature", chat(R"("temperature": -0.1)"), "temperature");
    row("temperature as text", chat(R"("temperature": "1")"), "temperature");
    row("top_p", chat(R"("top_p": 1.5)"), "top_p");
    row("min_p", chat(R"("min_p": -1)"), "min_p");
    row("top_k", chat(R"("top_k": -2)"), "top_k");
    row("top_k fraction", chat(R"("top_k": 1.5)"), "top_k");
    row("top_k huge", chat(R"("top_k": 99999999999999999999)"), "top_k");
    row("max_tokens zero", chat(R"("max_tokens": 0)"), "max_tokens");
    row("max_tokens huge", chat(R"("max_tokens": 1e15)"), "max_tokens");
    row("max_completion_tokens", chat(R"("max_completion_tokens": -5)"), "max_completion_tokens");
    row("presence_penalty", chat(R"("presence_penalty": 3)"), "presence_penalty");
    row("frequency_penalty", chat(R"("frequency_penalty": -3)"), "frequency_penalty");
    row("repetition_penalty", chat(R"("repetition_penalty": 0)"), "repetition_penalty");
    row("logit_bias list", chat(R"("logit_bias": [1])"), "logit_bias");
    row("logit_bias key", chat(R"("logit_bias": {"a": 1})"), "logit_bias");
    row("logit_bias value", chat(R"("logit_bias": {"1": 101})"), "logit_bias");
    QByteArray many;
    for (int token = 0; token <= 1024; ++token)
        many += (token > 0 ? ", \"" : "\"") + QByteArray::number(token) + "\": 1";
    row("logit_bias entries", chat("\"logit_bias\": {" + many + '}'), "logit_bias");
    row("seed", chat(R"("seed": "x")"), "seed");
    row("stop number", chat(R"("stop": 3)"), "stop");
    row("stop of numbers", chat(R"("stop": [3])"), "stop");
    row("stream", chat(R"("stream": 1)"), "stream");
    row("stream_options", chat(R"("stream_options": true)"), "stream_options");
    row("n", chat(R"("n": 2)"), "n");
    row("logprobs", chat(R"("logprobs": true)"), "logprobs");
    row("response_format", chat(R"("response_format": {"type": "json_object"})"), "response_format");
    row("response_format text", chat(R"("response_format": "json")"), "response_format");
    row("tools", chat(R"("tools": {})"), "tools");
    row("tool", chat(R"("tools": ["x"])"), "tools");
    row("kwargs", chat(R"("chat_template_kwargs": 1)"), "chat_template_kwargs");
}

void RequestsTest::badChatBodies()
{
    QFETCH(QByteArray, body);
    try {
        parseChatRequest(body);
        QFAIL("accepted");
    } catch (const ApiError& error) {
        QCOMPARE(error.status(), 400);
        QTEST(error.param(), "param");
        QVERIFY(!error.message().isEmpty());
    }
}

void RequestsTest::badCompletionBodies_data()
{
    QTest::addColumn<QByteArray>("body");
    QTest::addColumn<QString>("param");
    const auto row = [](const char* name, const QByteArray& body, const char* param) {
        QTest::newRow(name) << body << QString::fromLatin1(param);
    };
    row("no prompt", R"({"model": "m"})", "prompt");
    row("object", R"({"model": "m", "prompt": {}})", "prompt");
    row("empty list", R"({"model": "m", "prompt": []})", "prompt");
    row("negative token", R"({"model": "m", "prompt": [1, -1]})", "prompt");
    row("token too large", R"({"model": "m", "prompt": [2147483648]})", "prompt");
    row("fraction", R"({"model": "m", "prompt": [1.5]})", "prompt");
    row("mixed", R"({"model": "m", "prompt": [1, "x"]})", "prompt");
    row("two prompts", R"({"model": "m", "prompt": ["x", "y"]})", "prompt");
    row("echo", text(R"("echo": true)"), "echo");
    row("suffix", text(R"("suffix": "x")"), "suffix");
    row("best_of", text(R"("best_of": 2)"), "best_of");
    row("logprobs", text(R"("logprobs": 5)"), "logprobs");
}

void RequestsTest::badCompletionBodies()
{
    QFETCH(QByteArray, body);
    try {
        parseCompletionRequest(body);
        QFAIL("accepted");
    } catch (const ApiError& error) {
        QCOMPARE(error.status(), 400);
        QTEST(error.param(), "param");
    }
}

void RequestsTest::defaultsAreNeutral()
{
    const CompletionRequest request =
        parseCompletionRequest(text(R"("stop": "end", "temperature": null, "top_k": -1)"));
    QCOMPARE(request.options.maxTokens, 0);
    QCOMPARE(request.options.sampling.temperature, 1.0f);
    QCOMPARE(request.options.sampling.topK, 0);
    QCOMPARE(request.options.sampling.repetitionPenalty, 1.0f);
    QCOMPARE(request.options.stop, std::vector<std::string>{"end"});
    QVERIFY(!request.options.stream);
    const CompletionRequest other = parseCompletionRequest(text(R"("max_tokens": 16.0)"));
    QCOMPARE(other.options.maxTokens, 16);
    QVERIFY(request.options.sampling.seed != other.options.sampling.seed); // drawn afresh
    QCOMPARE(std::get<std::vector<int32_t>>(parseCompletionRequest(R"({"model": "m", "prompt": [[7]]})").prompt),
             std::vector<int32_t>{7});
    QCOMPARE(std::get<std::string>(parseCompletionRequest(R"({"model": "m", "prompt": ["t"]})").prompt),
             std::string("t"));
}

void RequestsTest::keepsTheOrderOfKeys()
{
    const QByteArray tools =
        R"([{"type":"function","function":{"name":"z","description":"a","parameters":{"y":1,"b":2}}}])";
    const ChatRequest request = parseChatRequest(chat(R"("tools": )" + tools));
    QCOMPARE(QByteArray::fromStdString(request.conversation.tools.dump()), tools);
    QVERIFY(parseChatRequest(chat(R"("tool_choice": "none", "tools": )" + tools)).conversation.tools.is_null());
    QVERIFY(parseChatRequest(chat(R"("tools": [])")).conversation.tools.is_null());
}

void RequestsTest::unpacksToolArguments()
{
    const ChatRequest request = parseChatRequest(R"({"model": "m", "messages": [{"role": "assistant", "tool_calls": [
        {"function": {"name": "f", "arguments": "{\"b\": 1, \"a\": 2}"}},
        {"function": {"name": "g", "arguments": "not JSON"}}]}]})");
    const Json& calls = request.conversation.messages[0]["tool_calls"];
    QCOMPARE(calls[0]["function"]["arguments"].dump(), std::string(R"({"b":1,"a":2})"));
    QCOMPARE(calls[1]["function"]["arguments"].get<std::string>(), std::string("not JSON"));
    QCOMPARE(request.conversation.messages[0]["content"].get<std::string>(), std::string());
}

void RequestsTest::doubleKeysCountOnce()
{
    QCOMPARE(parseJson(R"({"a": 1, "b": 2, "a": 3})").dump(), std::string(R"({"a":3,"b":2})"));
    QByteArray many = "{";
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 50; ++i)
            many += "\"k" + QByteArray::number(i) + "\":" + QByteArray::number(round) + ',';
    }
    many.back() = '}';
    const Json json = parseJson(many);
    QCOMPARE(json.size(), size_t(50));
    QCOMPARE(json["k49"].get<int>(), 1);
}

void RequestsTest::hostileSizesStayCheap()
{
    QVERIFY_THROWS_EXCEPTION(ApiError, parseJson(QByteArray(10'000'000, '['))); // nesting
    QVERIFY_THROWS_EXCEPTION(ApiError, parseJson('[' + QByteArray("1,").repeated(2'000'001) + "1]"));
    QByteArray wide = "{"; // quadratic with the library's own builder: would take minutes
    for (int i = 0; i < 300'000; ++i)
        wide += "\"" + QByteArray::number(i) + "\":0,";
    wide.back() = '}';
    QCOMPARE(parseJson(wide).size(), size_t(300'000));
    const QByteArray prompt(1'000'000, 'x');
    const auto request = parseCompletionRequest(R"({"model": "m", "prompt": ")" + prompt + "\"}");
    QCOMPARE(std::get<std::string>(request.prompt).size(), size_t(1'000'000));
}

QTEST_GUILESS_MAIN(RequestsTest)
#include "tst_requests.moc"
