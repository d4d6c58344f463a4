// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include "neuron/engine/text/vocabulary.h"

namespace cortex::engine {

/// By id, the scores with which merging by score, as GGUF's readers do it for SentencePiece vocabularies, joins what
/// `vocabulary.merges` join by rank: the entry that the first rules make has 0, the next −1, …; then those that no rule
/// makes, in the order of their ids.
///
/// That is possible where the rules come from a SentencePiece model: all rules that make an entry stand in a row, and
/// every way to cut an entry into two that a text can contain is a rule. `isText`, by id: whether an entry is merged
/// from text though no rule may make it. Throws Error(Unsupported), without a file's name, where rules are not like
/// that.
///
/// Where text contains the same entry twice, overlapping, rules may take the right one first (by how it is cut), and
/// scores take the left one, as SentencePiece itself does.
std::vector<float> mergeScores(const BpeVocabulary& vocabulary, const std::vector<bool>& isText);

} // namespace cortex::engine
