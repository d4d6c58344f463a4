// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httptypes.h"

namespace cortex {

/// Incremental parser of one HTTP/1.x request (RFC 9112), strict where leniency lets two parsers disagree on where a
/// request ends: lines end with CRLF, no folded headers, one decimal Content-Length, "chunked" as the only transfer
/// coding and never together with a length. Memory is bounded by the two limits. No sockets, so that it can be fuzzed.
class RequestParser {
public:
    enum class State {
        Start, ///< nothing of a request has come, but perhaps empty lines
        Head, ///< in the request line or the headers
        Body, ///< the head is complete and accepted, the body is not
        Complete, ///< takeRequest() has it
        Failed ///< errorStatus() and errorMessage() say why; the connection cannot be used further
    };

    RequestParser(qint64 maxHeaderBytes, qint64 maxBodyBytes);

    /// Takes what belongs to the current request from the front of `bytes` and returns how much that was: less than all
    /// when the request ended or failed. Nothing is taken in Complete or Failed.
    qsizetype push(QByteArrayView bytes);
    State state() const;

    // Of the head; valid in Body and Complete.
    bool keepsAlive() const { return m_keepsAlive; }
    bool expectsContinue() const { return m_expectsContinue; }
    bool isHttp10() const { return m_minorVersion == 0; }
    const HttpRequest& head() const { return m_request; } ///< its body is not there yet, or not all of it
    /// "GET /path?query": the request line without the version.
    QByteArray requestLine() const { return m_request.method + ' ' + m_target; }

    /// What the body has brought so far.
    qint64 bodyBytes() const { return m_request.body.size(); }
    /// The complete request; the parser is ready for the next one.
    HttpRequest takeRequest();
    /// Gives the request up for a reason of the caller's: frees what has come of it, and the state is Failed.
    void refuse(int status, const QString& message) { fail(status, message); }

    int errorStatus() const { return m_errorStatus; }
    QString errorMessage() const { return m_errorMessage; }

private:
    enum class Phase {
        RequestLine,
        HeaderLine,
        SizedBody,
        ChunkSize,
        ChunkData,
        ChunkEnd,
        TrailerLine,
        Complete,
        Failed
    };

    qsizetype pushLine(QByteArrayView bytes);
    qsizetype pushBody(QByteArrayView bytes);
    void endLine(QByteArrayView line);
    void parseRequestLine(QByteArrayView line);
    void parseTarget(QByteArrayView target);
    void parseHeader(QByteArrayView line);
    void endHead();
    void parseConnection();
    void parseExpectation();
    void parseFraming();
    void parseChunkSize(QByteArrayView line);
    void failTooLong();
    void fail(int status, const QString& message);

    const qint64 m_maxHeaderBytes;
    const qint64 m_maxBodyBytes;

    Phase m_phase = Phase::RequestLine;
    QByteArray m_line; ///< of the line under way
    qint64 m_headBytes = 0; ///< of request line, headers and trailers
    qint64 m_bodyRemaining = 0; ///< of the body, or of the chunk under way
    HttpRequest m_request;
    QByteArray m_target;
    int m_minorVersion = 1;
    bool m_keepsAlive = true;
    bool m_expectsContinue = false;
    int m_errorStatus = 0;
    QString m_errorMessage;
};

} // namespace cortex
