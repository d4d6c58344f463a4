// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/router.h"

#include <QTest>

using namespace cortex;

class TestRouter : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase()
    {
        const auto add = [this](const char* method, const char* pattern) {
            m_router.add(method, QLatin1String(pattern),
                         [this, pattern](const auto&, const auto&) { m_reached = pattern; });
        };
        // Least specific first, so that order of addition cannot be what decides.
        add("GET", "/v1/models/{id}");
        add("DELETE", "/v1/models/{id}");
        add("GET", "/v1/models/{id}/endpoint");
        add("POST", "/api/models/{id}/{action}");
        add("POST", "/api/models/{id}/load");
        add("GET", "/v1/models");
        add("POST", "/v1/models/plan");
        add("GET", "/");
    }

    void finds_data()
    {
        QTest::addColumn<QByteArray>("method");
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("reached");
        QTest::addColumn<QString>("captures");
        const auto row = [](const char* method, const char* path, const char* reached, const char* captures) {
            QTest::addRow("%s %s", method, path) << QByteArray(method) << QString::fromLatin1(path)
                                                 << QString::fromLatin1(reached) << QString::fromLatin1(captures);
        };
        row("GET", "/", "/", "");
        row("GET", "/v1/models", "/v1/models", "");
        row("HEAD", "/v1/models", "/v1/models", "");
        row("GET", "/v1/models/a", "/v1/models/{id}", "id=a");
        row("GET", "/v1/models/org/name:Q4", "/v1/models/{id}", "id=org/name:Q4");
        row("GET", "/v1/models/org/name/endpoint", "/v1/models/{id}/endpoint", "id=org/name");
        row("POST", "/v1/models/plan", "/v1/models/plan", "");
        row("POST", "/api/models/org/name/load", "/api/models/{id}/load", "id=org/name");
        row("POST", "/api/models/org/name/pin", "/api/models/{id}/{action}", "action=name/pin id=org");
        row("GET", "/v1/models/", "404", "");
        row("GET", "/v1", "404", "");
        row("GET", "/v1/models/plan", "405 POST", ""); // the literal pattern owns the path
        row("PUT", "/v1/models/a", "405 GET, HEAD, DELETE", "");
        row("DELETE", "/v1/models", "405 GET, HEAD", "");
    }

    void finds()
    {
        QFETCH(QByteArray, method);
        QFETCH(QString, path);
        const Router::Match match = m_router.find(method, path);
        QString reached = QStringLiteral("404");
        if (match.handler) {
            (*match.handler)({}, nullptr);
            reached = QLatin1String(m_reached);
        } else if (!match.allowed.isEmpty()) {
            reached = QStringLiteral("405 ") + QString::fromLatin1(match.allowed.join(", "));
        }
        QTEST(reached, "reached");
        QStringList captures;
        if (match.handler) {
            for (auto it = match.captures.cbegin(); it != match.captures.cend(); ++it)
                captures.append(it.key() + QLatin1Char('=') + it.value());
        }
        captures.sort();
        QTEST(captures.join(QLatin1Char(' ')), "captures");
    }

    void deepPathsAreNotSearched()
    {
        QVERIFY(!m_router.find("POST", QStringLiteral("/api/models") + QStringLiteral("/x").repeated(30'000)).handler);
    }

private:
    Router m_router;
    const char* m_reached = nullptr;
};

QTEST_GUILESS_MAIN(TestRouter)
#include "tst_router.moc"
