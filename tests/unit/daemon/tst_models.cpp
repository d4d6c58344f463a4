// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/daemon/models/modelfiles.h"
#include "neuron/daemon/models/modelregistry.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace cortex;
using namespace cortex::neuron;

/// What lies on disk, and the registry of it.
class ModelsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void looseFilesAndFolders();
    void hubCache();
    void halfFetchedIsNotListed();
    void registryResolves();
    void failedFetchIsNotMeantByTheName();
    void registryKeepsIds();
    void changedFilesAreNewlyJudged();
};

namespace {

class Folder {
public:
    void file(const QString& name, const QByteArray& content = {})
    {
        QDir().mkpath(QFileInfo(m_folder.filePath(name)).path());
        QFile file(m_folder.filePath(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(content);
    }
    void link(const QString& target, const QString& name)
    {
        QDir().mkpath(QFileInfo(m_folder.filePath(name)).path());
        QVERIFY(QFile::link(target, m_folder.filePath(name)));
    }
    QString path() const { return m_folder.path(); }

private:
    QTemporaryDir m_folder;
};

QStringList idsOf(const QList<ModelFile>& files)
{
    QStringList ids;
    for (const ModelFile& file : files)
        ids.append(file.id);
    return ids;
}

ModelFile fileOf(const char* name, const char* quant, const char* stamp = "1")
{
    const QString base = QString::fromLatin1(name);
    const QString q = QString::fromLatin1(quant);
    return {base + QLatin1Char(':') + q, base, q, QStringLiteral("/m/%1-%2.gguf").arg(base, q),
            QString::fromLatin1(stamp)};
}

} // namespace

void ModelsTest::looseFilesAndFolders()
{
    Folder folder;
    folder.file(QStringLiteral("Loose.Q4_1.gguf"));
    folder.file(QStringLiteral("mmproj-Loose.gguf"));
    folder.file(QStringLiteral("notes.txt"));
    folder.file(QStringLiteral("checkpoint/config.json"), "{}");
    folder.file(QStringLiteral("checkpoint/model.safetensors"));
    folder.file(QStringLiteral("org/two/two-Q4_K_M.gguf"));
    folder.file(QStringLiteral("org/two/two-Q8_0.gguf"));
    folder.file(QStringLiteral("org/one/Q8_0/one-00001-of-00001.gguf"));
    const auto files = scanModelFiles({{folder.path(), QStringLiteral("/nonexistent")}, {}});
    QCOMPARE(idsOf(files),
             (QStringList{QStringLiteral("Loose.Q4_1"), QStringLiteral("checkpoint"), QStringLiteral("org/one"),
                          QStringLiteral("org/two:Q4_K_M"), QStringLiteral("org/two:Q8_0")}));
    QCOMPARE(files[1].path, QDir(folder.path()).filePath(QStringLiteral("checkpoint")));
    QCOMPARE(files[2].quant, QStringLiteral("Q8_0"));
}

void ModelsTest::hubCache()
{
    Folder cache;
    const QString repository = QStringLiteral("models--org--some--name/");
    cache.file(repository + QStringLiteral("refs/main"), "abc");
    cache.file(repository + QStringLiteral("blobs/b1"));
    cache.link(QStringLiteral("../../blobs/b1"), repository + QStringLiteral("snapshots/abc/name-Q8_0.gguf"));
    cache.file(repository + QStringLiteral("snapshots/old/name-Q2_K.gguf"));
    cache.file(QStringLiteral("models--gpt2/snapshots/x/config.json"), "{}");
    cache.file(QStringLiteral("models--gpt2/snapshots/x/model.safetensors.index.json"),
               R"({"weight_map": {"a": "s-1.safetensors", "b": "s-2.safetensors"}})");
    cache.file(QStringLiteral("models--gpt2/snapshots/x/s-1.safetensors"));
    cache.file(QStringLiteral("models--gpt2/snapshots/x/s-2.safetensors"));
    cache.file(QStringLiteral("blobs/aa/hash")); // the shared store is not a repository
    const auto files = scanModelFiles({{}, {cache.path()}});
    QCOMPARE(idsOf(files), (QStringList{QStringLiteral("gpt2"), QStringLiteral("org/some--name")}));
}

void ModelsTest::halfFetchedIsNotListed()
{
    Folder cache;
    cache.link(QStringLiteral("../../blobs/missing"), QStringLiteral("models--a--b/snapshots/x/b-Q8_0.gguf"));
    cache.file(QStringLiteral("models--a--c/snapshots/x/config.json"), "{}");
    cache.file(QStringLiteral("models--a--c/snapshots/x/model.safetensors.index.json"),
               R"({"weight_map": {"a": "s-1", "b": "s-2"}})");
    cache.file(QStringLiteral("models--a--c/snapshots/x/s-1"));
    cache.file(QStringLiteral("models--a--d/snapshots/x/d-Q8_0-00001-of-00002.gguf"));
    cache.file(QStringLiteral("models--a--e/snapshots/x/e-Q8_0-00002-of-00002.gguf"));
    cache.file(QStringLiteral("models--a--f/snapshots/x/model.safetensors"));
    cache.file(QStringLiteral("models--a--g/snapshots/x/config.json"), "{}");
    cache.file(QStringLiteral("models--a--g/snapshots/x/model.safetensors.index.json"), "not JSON");
    QCOMPARE(idsOf(scanModelFiles({{}, {cache.path()}})), QStringList());
    cache.file(QStringLiteral("models--a--d/snapshots/x/d-Q8_0-00002-of-00002.gguf"));
    QCOMPARE(idsOf(scanModelFiles({{}, {cache.path()}})), QStringList{QStringLiteral("a/d")});
}

void ModelsTest::registryResolves()
{
    ModelRegistry registry;
    registry.setFiles({fileOf("a/b", "Q2_K"), fileOf("a/b", "Q4_K_M"), fileOf("a/b", "Q8_0")});
    const auto resolve = [&](const char* name) { return registry.resolve(QString::fromLatin1(name)); };
    QCOMPARE(resolve("a/b:Q8_0"), QStringLiteral("a/b:Q8_0"));
    QCOMPARE(resolve("a/b:q8_0"), QStringLiteral("a/b:Q8_0"));
    QCOMPARE(resolve("a/b"), QStringLiteral("a/b:Q4_K_M"));
    QCOMPARE(resolve("a/b:Q5_0"), QString());
    QCOMPARE(resolve("a"), QString());
    QCOMPARE(resolve(""), QString());
    registry.update(QStringLiteral("a/b:Q2_K"), [](NodeModel& model) { model.status = ModelStatus::Loaded; });
    QCOMPARE(resolve("a/b"), QStringLiteral("a/b:Q2_K")); // the loaded one is meant

    // A checkpoint can become any quantization; a file that is one comes first.
    registry.setFiles(
        {{QStringLiteral("a/c"), QStringLiteral("a/c"), {}, QStringLiteral("/m/a/c"), {}}, fileOf("a/c", "Q8_0")});
    QCOMPARE(resolve("a/c:q4_k"), QStringLiteral("a/c"));
    QCOMPARE(resolve("a/c:q8_0"), QStringLiteral("a/c:Q8_0"));
}

void ModelsTest::failedFetchIsNotMeantByTheName()
{
    ModelRegistry registry;
    const QString mistyped = QStringLiteral("a/b:Q4_KM");
    registry.addMissing(mistyped);
    const auto resolve = [&](const char* name) { return registry.resolve(QString::fromLatin1(name)); };
    const auto setStatus = [&](ModelStatus status) {
        registry.update(mistyped, [status](NodeModel& model) { model.status = status; });
    };
    setStatus(ModelStatus::Downloading);
    QCOMPARE(resolve("a/b"), mistyped); // on its way
    setStatus(ModelStatus::Failed);
    QCOMPARE(resolve("a/b"), QString());
    QCOMPARE(resolve("a/b:Q4_KM"), mistyped);
    registry.setFiles({fileOf("a/b", "Q8_0")});
    QCOMPARE(resolve("a/b"), QStringLiteral("a/b:Q8_0"));
}

void ModelsTest::changedFilesAreNewlyJudged()
{
    ModelRegistry registry;
    const QString id = QStringLiteral("a/b:Q8_0");
    ModelFile file = fileOf("a/b", "Q8_0");
    registry.setFiles({file});
    const auto fail = [&] {
        registry.update(id, [](NodeModel& model) {
            model.status = ModelStatus::Failed;
            model.servable = Servable{false, QStringLiteral("bad_file"), {}};
        });
    };
    fail();
    QVERIFY(registry.setFiles({file}).isEmpty()); // the same file
    QVERIFY(registry.find(id)->model.status == ModelStatus::Failed);
    file.stamp = QStringLiteral("2");
    QCOMPARE(registry.setFiles({file}), QStringList{id});
    QVERIFY(registry.find(id)->model.status == ModelStatus::Unloaded);
    QVERIFY(!registry.find(id)->model.servable);
    fail();
    file.path = QStringLiteral("/elsewhere/b-Q8_0.gguf"); // moved, which keeps size and time
    QCOMPARE(registry.setFiles({file}), QStringList{id});
    QCOMPARE(registry.find(id)->file.path, file.path);
    QVERIFY(registry.find(id)->model.status == ModelStatus::Unloaded);
}

void ModelsTest::registryKeepsIds()
{
    ModelRegistry registry;
    QSignalSpy changed(&registry, &ModelRegistry::changed);
    QSignalSpy gone(&registry, &ModelRegistry::gone);
    ModelFile only = fileOf("a/b", "Q8_0");
    only.id = only.name;
    QCOMPARE(registry.setFiles({only}), QStringList{QStringLiteral("a/b")});
    QCOMPARE(registry.setFiles({only}), QStringList()); // nothing new
    QCOMPARE(changed.size(), 1);
    // A second quantization would change the first one's id in a fresh listing.
    QCOMPARE(registry.setFiles({fileOf("a/b", "Q4_0"), fileOf("a/b", "Q8_0")}),
             QStringList{QStringLiteral("a/b:Q4_0")});
    QCOMPARE(registry.models().keys(), (QStringList{QStringLiteral("a/b"), QStringLiteral("a/b:Q4_0")}));
    QVERIFY(gone.isEmpty());
    // A file that changed is looked at again.
    QCOMPARE(registry.setFiles({fileOf("a/b", "Q4_0", "2"), fileOf("a/b", "Q8_0")}),
             QStringList{QStringLiteral("a/b:Q4_0")});
    registry.setFiles({});
    QCOMPARE(gone.size(), 2);
    QVERIFY(registry.models().isEmpty());
    registry.update(registry.models().isEmpty() ? (registry.addMissing(QStringLiteral("x/y")), QStringLiteral("x/y"))
                                                : QString(),
                    [](NodeModel&) {});
    QVERIFY(registry.setFiles({}).isEmpty());
    QCOMPARE(registry.models().size(), 1); // what is being fetched stays
}

QTEST_GUILESS_MAIN(ModelsTest)
#include "tst_models.moc"
