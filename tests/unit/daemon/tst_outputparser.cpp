// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/openai/outputparser.h"

#include <QTest>

using namespace cortex::neuron;

/// Reasoning, content and tool calls out of a model's output, however it is cut.
class OutputParserTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void splits_data();
    void splits();
    void handsOnWhatIsCertain();
    void callComesWhenItIsComplete();
    void longSpaceIsNotHeld();
    void seesOpenReasoning();
};

namespace {

const Json Tools = Json::parse(R"([{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
    "exact": {"type": "boolean"}, "where": {"type": "object"}, "limit": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "either": {"type": ["string", "integer"]}}}}}])");

/// Pieces in a readable form, neighbours of a kind joined: r"…" reasoning, c"…" content, name(arguments) a call.
QString shown(const std::vector<OutputPiece>& pieces)
{
    std::string text;
    char kind = '\0';
    const auto add = [&](char ofKind, const std::string& words) {
        if (kind == ofKind)
            text.pop_back();
        else
            text += std::string(1, ofKind) + '"';
        text += words + '"';
        kind = ofKind;
    };
    for (const OutputPiece& piece : pieces) {
        if (const auto* content = std::get_if<ContentText>(&piece)) {
            add('c', content->text);
        } else if (const auto* reasoning = std::get_if<ReasoningText>(&piece)) {
            add('r', reasoning->text);
        } else {
            const auto& call = std::get<ToolCall>(piece);
            text += call.name + "(" + call.arguments + ")";
            kind = '\0';
        }
    }
    return QString::fromStdString(text);
}

void append(std::vector<OutputPiece>& all, std::vector<OutputPiece> more)
{
    for (OutputPiece& piece : more)
        all.push_back(std::move(piece));
}

QString parsedInPieces(const std::vector<std::string_view>& texts, bool inReasoning, const Json& tools)
{
    OutputParser parser(inReasoning, tools);
    std::vector<OutputPiece> pieces;
    for (const std::string_view text : texts)
        append(pieces, parser.push(text));
    append(pieces, parser.finish());
    return shown(pieces);
}

} // namespace

void OutputParserTest::splits_data()
{
    QTest::addColumn<bool>("inReasoning");
    QTest::addColumn<bool>("withTools");
    QTest::addColumn<QByteArray>("output");
    QTest::addColumn<QString>("expected");
    const auto row = [](const char* name, bool inReasoning, bool withTools, const char* output, const char* expected) {
        QTest::newRow(name) << inReasoning << withTools << QByteArray(output) << QString::fromUtf8(expected);
    };
    row("nothing", false, true, "", "");
    row("plain", false, false, " Hello <b>there</b>, a < b \n", "c\" Hello <b>there</b>, a < b \n\"");
    row("plain with tools", false, true, " Hello <tool> a <\n", "c\" Hello <tool> a <\n\"");
    row("reasoning", false, false, "<think>\nHm: \xc3\xa9.\n</think>\n\nYes.", "r\"Hm: é.\"c\"Yes.\"");
    row("reasoning of the prompt", true, false, "Hm.\n\n Well.\n</think>\n\nYes.\n", "r\"Hm.\n\n Well.\"c\"Yes.\n\"");
    row("opened twice", true, false, "\n<think>\nHm.</think>Yes", "r\"Hm.\"c\"Yes\"");
    row("no reasoning", false, false, "<think>\n\n</think>\n\nYes", "c\"Yes\"");
    row("reasoning cut", true, false, "Hm, </thi", "r\"Hm, </thi\"");
    row("only reasoning", true, false, " Hm. </think>\n", "r\"Hm.\"");
    row("think in the text", false, false, "Use <think>x</think>", "c\"Use <think>x</think>\"");
    row("nearly think", false, false, "<thin", "c\"<thin\"");
    row("nearly think, prompt opened", true, false, " <thin", "r\"<thin\"");

    row("JSON", false, true,
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"a\": [1, 2.5]}}\n</tool_call>",
        "weather({\"city\":\"Oslo\",\"a\":[1,2.5]})");
    row("all three", true, true,
        "Hm.\n</think>\n\nI look.\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>\n"
        "<tool_call>{\"name\":\"g\",\"arguments\":null}</tool_call>\n",
        "r\"Hm.\"c\"I look.\"weather({})g({})");
    row("text after a call", false, true, "<tool_call>{\"name\":\"g\"}</tool_call>\n done", "g({})c\"done\"");
    row("closing tag in a string", false, true,
        "<tool_call>{\"name\":\"g\",\"arguments\":{\"t\":\"\\\"</tool_call>\\\\\"}}</tool_call>",
        "g({\"t\":\"\\\"</tool_call>\\\\\"})");
    row("quoted arguments", false, true, "<tool_call>{\"name\":\"g\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>",
        "g({\"a\":1})");
    row("no closing tag", false, true, "<tool_call>{\"name\":\"g\",\"arguments\":{}}", "g({})");
    row("call cut", false, true, "So: <tool_call>{\"name\":\"g\",\"argu", "c\"So: <tool_call>{\"name\":\"g\",\"argu\"");
    row("not JSON", false, true, "So: <tool_call>{name: g}</tool_call> there",
        "c\"So: <tool_call>{name: g}</tool_call> there\"");
    row("no name", false, true, "<tool_call>{\"arguments\":{}}</tool_call>",
        "c\"<tool_call>{\"arguments\":{}}</tool_call>\"");
    row("arguments are no object", false, true, "<tool_call>{\"name\":\"g\",\"arguments\":[1]}</tool_call>",
        "c\"<tool_call>{\"name\":\"g\",\"arguments\":[1]}</tool_call>\"");
    row("only the tag", false, true, "Say <tool_call>\nplease", "c\"Say <tool_call>\nplease\"");
    row("a call after a lone tag", false, true, "<tool_call> <tool_call>{\"name\":\"g\"}</tool_call>",
        "c\"<tool_call>\"g({})");
    row("no tools asked for", false, false, "<tool_call>{\"name\":\"g\"}</tool_call>",
        "c\"<tool_call>{\"name\":\"g\"}</tool_call>\"");
    row("call in the reasoning", true, true, "<tool_call>{\"name\":\"g\"}</tool_call></think>x",
        "r\"<tool_call>{\"name\":\"g\"}</tool_call>\"c\"x\"");

    row("XML", false, true,
        "<tool_call>\n<function=weather>\n<parameter=city>\nNew\nYork\n</parameter>\n<parameter=days>\n3\n</"
        "parameter>\n"
        "</function>\n</tool_call>",
        "weather({\"city\":\"New\\nYork\",\"days\":3})");
    row("XML without parameters", false, true, "<tool_call>\n<function=now>\n</function>\n</tool_call>", "now({})");
    row("XML types", false, true,
        "<tool_call><function=weather><parameter=city>12</parameter><parameter=exact>True</parameter>"
        "<parameter=where>{\"x\": [1]}</parameter><parameter=limit>None</parameter><parameter=other>7</parameter>"
        "<parameter=days>soon</parameter><parameter=either>5</parameter></function></tool_call>",
        "weather({\"city\":\"12\",\"exact\":true,\"where\":{\"x\":[1]},\"limit\":null,\"other\":\"7\",\"days\":"
        "\"soon\","
        "\"either\":5})");
    row("XML with tags in a value", false, true,
        "<tool_call>\n<function=f>\n<parameter=code>\nx = \"</parameter>\" + "
        "\"</tool_call>\"\n</parameter>\n</function>\n"
        "</tool_call>",
        "f({\"code\":\"x = \\\"</parameter>\\\" + \\\"</tool_call>\\\"\"})");
    row("XML without an end of its function", false, true,
        "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</tool_call>",
        "c\"<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</tool_call>\"");
    row("XML without a name", false, true, "<tool_call><function=></function></tool_call>",
        "c\"<tool_call><function=></function></tool_call>\"");
}

/// Whole, a byte at a time, and cut in two at every byte.
void OutputParserTest::splits()
{
    QFETCH(bool, inReasoning);
    QFETCH(bool, withTools);
    QFETCH(QByteArray, output);
    QFETCH(QString, expected);
    const Json tools = withTools ? Tools : Json(nullptr);
    const std::string_view text(output.constData(), size_t(output.size()));
    QCOMPARE(parsedInPieces({text}, inReasoning, tools), expected);
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < text.size(); ++i) {
        bytes.push_back(text.substr(i, 1));
        QCOMPARE(parsedInPieces({text.substr(0, i), text.substr(i)}, inReasoning, tools), expected);
    }
    QCOMPARE(parsedInPieces(bytes, inReasoning, tools), expected);
}

void OutputParserTest::handsOnWhatIsCertain()
{
    OutputParser parser(false, Tools);
    QCOMPARE(shown(parser.push("<think>I see")), QStringLiteral("r\"I see\""));
    QCOMPARE(shown(parser.push(" it <")), QStringLiteral("r\" it\""));
    QCOMPARE(shown(parser.push("b></")), QStringLiteral("r\" <b>\""));
    QCOMPARE(shown(parser.push("think>\n\nThe ")), QStringLiteral("c\"The\""));
    QCOMPARE(shown(parser.push("answer <tool")), QStringLiteral("c\" answer\""));
    QCOMPARE(shown(parser.push("box>")), QStringLiteral("c\" <toolbox>\""));
    QVERIFY(parser.finish().empty());
}

void OutputParserTest::callComesWhenItIsComplete()
{
    OutputParser parser(false, Tools);
    QVERIFY(parser.push("<tool_call>{\"name\": \"g\", \"arguments\": {}}\n</tool_call").empty());
    QCOMPARE(shown(parser.push(">")), QStringLiteral("g({})"));
}

void OutputParserTest::longSpaceIsNotHeld()
{
    OutputParser parser(false, Tools);
    std::vector<OutputPiece> pieces = parser.push("a" + std::string(5000, ' '));
    QCOMPARE(shown(pieces).size(), 5001 + 3);
    append(pieces, parser.push("b"));
    append(pieces, parser.finish());
    QCOMPARE(shown(pieces).size(), 5002 + 3);
}

void OutputParserTest::seesOpenReasoning()
{
    QVERIFY(opensReasoning("<|im_start|>assistant\n<think>\n"));
    QVERIFY(opensReasoning("<think>"));
    QVERIFY(!opensReasoning("<think>\n\n</think>\n\n"));
    QVERIFY(!opensReasoning("<|im_start|>assistant\n"));
    QVERIFY(!opensReasoning(""));
}

QTEST_GUILESS_MAIN(OutputParserTest)
#include "tst_outputparser.moc"
