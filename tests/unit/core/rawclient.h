// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QSignalSpy>
#include <QTcpSocket>
#include <QTest>
#include <QTimer>

/// Runs the event loop until `condition` holds; false after half a minute. Unlike QTest::qWaitFor it does not sleep
/// between events, which would be ten milliseconds for each step of a conversation.
template <typename Condition>
bool waitUntil(Condition condition)
{
    const QDeadlineTimer deadline(30'000);
    QTimer tick; // for conditions that no event announces
    tick.start(20);
    while (!condition()) {
        if (deadline.hasExpired())
            return false;
        QCoreApplication::processEvents(QEventLoop::AllEvents | QEventLoop::WaitForMoreEvents);
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    }
    return true;
}

/// A client that sends bytes as they are and keeps all that comes back.
class RawClient : public QObject {
public:
    explicit RawClient(quint16 port)
    {
        connect(&m_socket, &QTcpSocket::readyRead, this, [this] { m_received += m_socket.readAll(); });
        connect(&m_socket, &QTcpSocket::disconnected, this, [this] { m_closed = true; });
        m_socket.connectToHost(QHostAddress(QHostAddress::LocalHost), port);
    }

    void send(const QByteArray& bytes)
    {
        if (m_socket.state() != QAbstractSocket::ConnectedState) // bytes written earlier would be lost
            QVERIFY(waitUntil([this] { return m_socket.state() == QAbstractSocket::ConnectedState; }));
        m_socket.write(bytes);
        m_socket.flush();
    }
    void get(const char* path) { send(QByteArray("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n"); }
    void leave() { m_socket.abort(); }

    QTcpSocket& socket() { return m_socket; }
    const QByteArray& received() const { return m_received; }
    void forget() { m_received.clear(); }
    bool isClosed() const { return m_closed; }

    /// Waits until `bytes` have come, in the event loop that the server runs in too.
    bool waitFor(const QByteArray& bytes)
    {
        return waitUntil([&] { return m_received.contains(bytes); });
    }
    bool waitForClose()
    {
        return waitUntil([&] { return m_closed; });
    }
    int status() const { return m_received.mid(9, 3).toInt(); }

private:
    QTcpSocket m_socket;
    QByteArray m_received;
    bool m_closed = false;
};
