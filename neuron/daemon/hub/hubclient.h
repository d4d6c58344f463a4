// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/http/httpclient.h"
#include "neuron/daemon/hub/filechoice.h"
#include "neuron/daemon/hub/hubsettings.h"

#include <QObject>
#include <QPointer>

#include <functional>
#include <variant>

namespace cortex::neuron {

/// Why something cannot be had; `kind` as ModelFetch::failed has it, `message` for people.
struct HubFailure {
    QString kind;
    QString message;
};

/// What a repository holds at a revision.
struct HubListing {
    QString commit;
    QList<RepositoryFile> files;
};

/// Where a file's bytes are and what they must be.
struct HubFileInfo {
    QString etag; ///< SHA-256 of a large file's bytes, git blob SHA-1 of a small one's
    qint64 bytes = 0;
    QUrl location; ///< may be a signed address that expires
};

/// Puts questions to a hub, over and over where a later try can help (408, 429, 5xx, broken connections), and turns
/// refusals into words. The token goes to the endpoint only. Lives on one thread; callbacks come from the event loop
/// and not at all once `context` is gone.
class HubClient : public QObject {
    Q_OBJECT
public:
    template <typename T>
    using Callback = std::function<void(const std::variant<T, HubFailure>&)>;

    explicit HubClient(HubSettings settings, QObject* parent = nullptr);

    const HubSettings& settings() const { return m_settings; }

    /// Names and sizes of a repository's files on its main branch.
    void list(const QString& repository, QObject* context, Callback<HubListing> callback);
    /// A file's hash, size and address.
    void describe(const QString& repository, const QString& commit, const QString& path, QObject* context,
                  Callback<HubFileInfo> callback);
    /// Begins to fetch bytes from `offset` on, streaming. The caller owns the reply.
    HttpReply* download(const HubFileInfo& file, qint64 offset);

    /// What a refusing answer means.
    HubFailure refusal(const QString& repository, const HttpReply& reply) const;
    /// Milliseconds to wait before try number `attempt` (from 1), honouring a rate limit that the answer names.
    static int backoffMs(int attempt, const HttpReply& reply);
    /// Whether the same question may be answered a little later.
    static bool isTransient(const HttpReply& reply);

private:
    struct Question;
    void ask(const std::shared_ptr<Question>& question);
    void answer(const std::shared_ptr<Question>& question, HttpReply* reply);
    HttpClientRequest makeRequest(const QByteArray& method, const QUrl& url) const;

    HubSettings m_settings;
    HttpClient m_http;
};

} // namespace cortex::neuron
