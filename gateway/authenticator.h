// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/gatewayconfig.h"
#include "core/http/httptypes.h"
#include "gateway/routeerror.h"

#include <optional>

namespace cortex {

/// Checks the key of a request: `Authorization: Bearer KEY` or `x-api-key: KEY`. Keeps hashes only, and compares them
/// in constant time.
class Authenticator {
public:
    explicit Authenticator(const GatewayConfig& config);
    /// Nothing where the request may pass, else the 401.
    std::optional<RouteError> check(const HttpHeaders& headers) const;

private:
    bool isKnown(const QByteArray& key) const;

    bool m_required = false;
    QList<QByteArray> m_hashes; ///< SHA-256
};

} // namespace cortex
