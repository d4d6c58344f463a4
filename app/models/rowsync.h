// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <QList>
#include <QSet>

namespace cortex {

/// Brings the rows of an item model in line with a new list by removing, moving and inserting rows, so that views keep
/// their selection, their expansion and their scroll position. `current` and `wanted` are the rows' keys, old and new.
/// `remove(row)`, `move(from, to)` with from > to, and `insert(row)` change one row each and are called in an order in
/// which each row number is valid at that moment; afterwards row i is the row of wanted[i]. Keys that occur twice are
/// handled as separate rows, for the lists come from other machines.
template <typename Key, typename Remove, typename Move, typename Insert>
void syncRows(QList<Key> current, const QList<Key>& wanted, Remove remove, Move move, Insert insert)
{
    const QSet<Key> kept(wanted.begin(), wanted.end());
    for (qsizetype row = current.size() - 1; row >= 0; --row) {
        if (!kept.contains(current.at(row))) {
            remove(int(row));
            current.removeAt(row);
        }
    }
    for (qsizetype row = 0; row < wanted.size(); ++row) {
        if (row < current.size() && current.at(row) == wanted.at(row))
            continue;
        const qsizetype from = current.indexOf(wanted.at(row), row);
        if (from >= 0) {
            move(int(from), int(row));
            current.move(from, row);
        } else {
            insert(int(row));
            current.insert(row, wanted.at(row));
        }
    }
    for (qsizetype row = current.size() - 1; row >= wanted.size(); --row)
        remove(int(row));
}

} // namespace cortex
