// SPDX-License-Identifier: GPL-3.0-only
#include "core/logging.h"
#include "core/signals.h"
#include "core/version.h"

#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

#include <csignal>

/// What a program needs of its process: its log, its signals, its version.
class TestProcess : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void logLines()
    {
        const QString line =
            QString::fromUtf8(cortex::logLine(QtWarningMsg, "cortex.http", QStringLiteral("a\nb é"), false));
        static const QRegularExpression form(
            QStringLiteral(R"(^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning cortex\.http: a\\nb é\n$)"));
        QVERIFY2(form.match(line).hasMatch(), qPrintable(line));
        QCOMPARE(cortex::logLine(QtInfoMsg, "default", QStringLiteral("x"), true), QByteArray("<6>x\n"));
        QCOMPARE(cortex::logLine(QtCriticalMsg, nullptr, QStringLiteral("x\r"), true), QByteArray("<3>x\\r\n"));
    }

    void terminationBecomesASignal()
    {
        for (const int number : {SIGTERM, SIGINT}) {
            cortex::TerminationSignals signals;
            QSignalSpy spy(&signals, &cortex::TerminationSignals::received);
            std::raise(number);
            QTRY_COMPARE(spy.size(), 1);
            QCOMPARE(spy.front().front().toInt(), number);
        }
    }

    void terminationIsToldOnce()
    {
        cortex::TerminationSignals signals;
        QSignalSpy spy(&signals, &cortex::TerminationSignals::received);
        std::raise(SIGINT);
        std::raise(SIGTERM); // both are waiting when the event loop reads
        QTRY_COMPARE(spy.size(), 1);
        QCOMPARE(spy.front().front().toInt(), SIGINT);
    }

    void versionIsTheProjects()
    {
        static const QRegularExpression form(QStringLiteral(R"(^\d+\.\d+\.\d+$)"));
        QVERIFY(form.match(cortex::version()).hasMatch());
    }
};

QTEST_GUILESS_MAIN(TestProcess)
#include "tst_process.moc"
