// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/hub/filechoice.h"

#include "core/error.h"
#include "neuron/daemon/hub/modelname.h"

#include <QTest>

using namespace cortex;
using namespace cortex::neuron;

class FileChoiceTest : public QObject {
    Q_OBJECT

private:
    static QStringList chosen(const QList<RepositoryFile>& files, const QString& quant = {}, qint64 budget = 0)
    {
        QStringList paths;
        for (const RepositoryFile& file : chooseFiles(QStringLiteral("a/b"), files, quant, budget).files)
            paths.append(file.path);
        return paths;
    }

private Q_SLOTS:
    void quantOfFile_data();
    void quantOfFile();
    void names_data();
    void names();
    void safePaths();
    void prefersTheUsualQuantThenWhatFits();
    void takesAllPartsOfASplitFile();
    void leavesIncompleteSplitsAndProjectorsAlone();
    void saysWhatIsOnOffer();
    void weightsComeLast();
};

void FileChoiceTest::quantOfFile_data()
{
    QTest::addColumn<QString>("path");
    QTest::addColumn<QString>("quant");
    QTest::newRow("suffix") << QStringLiteral("Tiny-Q4_K_M.gguf") << QStringLiteral("Q4_K_M");
    QTest::newRow("dot") << QStringLiteral("SmolLM2-135M-Instruct.Q4_1.gguf") << QStringLiteral("Q4_1");
    QTest::newRow("lower") << QStringLiteral("qwen2.5-0.5b-instruct-q8_0.gguf") << QStringLiteral("Q8_0");
    QTest::newRow("split") << QStringLiteral("big-IQ4_XS-00001-of-00003.gguf") << QStringLiteral("IQ4_XS");
    QTest::newRow("folder") << QStringLiteral("Q6_K/big-00001-of-00002.gguf") << QStringLiteral("Q6_K");
    QTest::newRow("bf16") << QStringLiteral("gemma-3-270m-BF16.gguf") << QStringLiteral("BF16");
    QTest::newRow("none") << QStringLiteral("Qwen3-model.gguf") << QString();
}

void FileChoiceTest::quantOfFile()
{
    QFETCH(QString, path);
    QTEST(cortex::neuron::quantOfFile(path), "quant");
}

void FileChoiceTest::names_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<bool>("isName");
    for (const char* good : {"a/b", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "a/b:Q4_K_M", "a_b/c.d-e"})
        QTest::newRow(good) << QString::fromLatin1(good) << true;
    for (const char* bad : {"", "a", "a/b/c", "../b", "a/..", "a/.b", "a b/c", "a/b:", "a/b:c:d", "/a/b", "a/b\n"})
        QTest::newRow(bad) << QString::fromLatin1(bad) << false;
}

void FileChoiceTest::names()
{
    QFETCH(QString, text);
    QTEST(parseModelName(text).has_value(), "isName");
}

void FileChoiceTest::safePaths()
{
    QVERIFY(isSafePath(QStringLiteral("a/b.gguf")));
    for (const char* path : {"", "/a", "a//b", "../a", "a/../b", "a/.", "a\\b"})
        QVERIFY2(!isSafePath(QString::fromLatin1(path)), path);
}

void FileChoiceTest::prefersTheUsualQuantThenWhatFits()
{
    const RepositoryFile q2{QStringLiteral("m-Q2_K.gguf"), 200};
    const RepositoryFile q4{QStringLiteral("m-Q4_K_M.gguf"), 400};
    const RepositoryFile q8{QStringLiteral("m-Q8_0.gguf"), 800};
    QCOMPARE(chosen({q2, q4, q8}), {q4.path});
    QCOMPARE(chosen({q2, q8}, {}, 900), {q8.path});
    QCOMPARE(chosen({q2, q8}, {}, 500), {q2.path});
    QCOMPARE(chosen({q2, q8}, {}, 100), {q2.path});
    QCOMPARE(chosen({q2, q4, q8}, QStringLiteral("q8_0")), {q8.path});
}

void FileChoiceTest::takesAllPartsOfASplitFile()
{
    const QStringList parts{QStringLiteral("m-Q4_K_M-00001-of-00002.gguf"),
                            QStringLiteral("m-Q4_K_M-00002-of-00002.gguf")};
    QCOMPARE(chosen({{parts[1], 1}, {parts[0], 1}}), parts);
}

void FileChoiceTest::leavesIncompleteSplitsAndProjectorsAlone()
{
    QVERIFY_THROWS_EXCEPTION(InputError, chosen({{QStringLiteral("m-Q4_K_M-00002-of-00002.gguf"), 1}}));
    QVERIFY_THROWS_EXCEPTION(InputError, chosen({{QStringLiteral("mmproj-m-f16.gguf"), 1}}));
}

void FileChoiceTest::saysWhatIsOnOffer()
{
    try {
        chosen({{QStringLiteral("m-Q2_K.gguf"), 1}, {QStringLiteral("m-Q8_0.gguf"), 1}}, QStringLiteral("Q5_0"));
        QFAIL("a quantization that is not there was chosen");
    } catch (const InputError& error) {
        QVERIFY(error.message().contains(QLatin1String("Q2_K, Q8_0")));
    }
}

void FileChoiceTest::weightsComeLast()
{
    // In the order in which a hub lists them.
    const QStringList files = chosen({{QStringLiteral("chat_template.jinja"), 1},
                                      {QStringLiteral("config.json"), 1},
                                      {QStringLiteral("model-00001-of-00002.safetensors"), 900},
                                      {QStringLiteral("model-00002-of-00002.safetensors"), 900},
                                      {QStringLiteral("model.safetensors.index.json"), 1},
                                      {QStringLiteral("pytorch_model.bin"), 900},
                                      {QStringLiteral("tokenizer.json"), 1}});
    QCOMPARE(files,
             (QStringList{QStringLiteral("chat_template.jinja"), QStringLiteral("config.json"),
                          QStringLiteral("model.safetensors.index.json"), QStringLiteral("tokenizer.json"),
                          QStringLiteral("model-00001-of-00002.safetensors"),
                          QStringLiteral("model-00002-of-00002.safetensors")}));
}

QTEST_GUILESS_MAIN(FileChoiceTest)
#include "tst_filechoice.moc"
