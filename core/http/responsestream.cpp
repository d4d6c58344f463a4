// SPDX-License-Identifier: GPL-3.0-only
#include "core/http/responsestream.h"

#include <QJsonDocument>

namespace cortex {

void ResponseStream::respondJson(int status, const QJsonObject& json, const HttpHeaders& extra)
{
    respond(status, "application/json", QJsonDocument(json).toJson(QJsonDocument::Compact), extra);
}

void ResponseStream::beginEventStream(const HttpHeaders& extra)
{
    HttpHeaders headers = extra;
    headers.set("Cache-Control", "no-cache");
    headers.set("X-Accel-Buffering", "no"); // nginx would hold events back
    begin(200, "text/event-stream", headers);
}

} // namespace cortex
