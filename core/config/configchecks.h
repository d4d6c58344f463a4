// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "core/config/configreader.h"

#include <QSet>
#include <QUrl>

namespace cortex {

// Values that more than one config file has. All throw InputError.

/// The file's bytes; a config of more than 8 MiB is none.
QByteArray readConfigFile(const QString& path);

/// A string that is required, not empty, and none of `seen`; adds it there.
QString requireUnique(ConfigTable& table, const char* key, QSet<QString>& seen);
/// An http or https address of a server, without query and fragment.
QUrl requireHttpUrl(ConfigTable& table, const char* key);
/// What parseListenAddress takes.
QString listenAddress(ConfigTable& table, const char* key, const QString& absent);
/// As above, without a port.
QString interfaceAddress(ConfigTable& table, const char* key, const QString& absent);

} // namespace cortex
