// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QString>

/// Numbers as people read them, in the user's locale.
namespace cortex::format {

QString memory(qint64 megabytes); ///< "512 MiB", "12.3 GiB"
QString memoryOf(qint64 usedMegabytes, qint64 totalMegabytes); ///< "3.1 of 24.0 GiB"
QString bytesPerSecond(qint64 bytes); ///< "12.4 MB/s", "1.9 GB/s"
QString percent(double percent); ///< "87 %"
QString temperature(double celsius); ///< "61 °C"
QString speed(double tokensPerSecond); ///< "48.2", "1,204"
QString tokensPerSecond(double value); ///< "48.2 tok/s"
QString seconds(double seconds); ///< "240 ms", "1.8 s"
QString shortModelName(const QString& id); ///< without the publisher, where room is short
QString modelsLoaded(int count); ///< "no model loaded", "1 model loaded", "2 models loaded"

} // namespace cortex::format
