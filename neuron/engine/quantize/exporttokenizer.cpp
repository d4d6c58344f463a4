// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exporttokenizer.h"

#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/quantize/exportsentencepiece.h"
#include "neuron/engine/quantize/tokentable.h"
#include "neuron/engine/text/ggufpretokenizers.h"

namespace cortex::engine {

namespace {

/// Adds the splits of one step; false for a step that GGUF's names do not stand for.
bool addSplits(const JsonView& step, std::vector<std::string>& splits)
{
    const std::string& type = step.require("type").string();
    if (type == "Sequence") {
        for (const JsonView& part : step.require("pretokenizers").elements())
            if (!addSplits(part, splits))
                return false;
        return true;
    }
    if (type == "Digits" && step.boolean("individual_digits", false)) {
        splits.emplace_back(R"(\p{N})");
        return true;
    }
    if (type == "ByteLevel") {
        if (step.boolean("use_regex", true))
            splits.emplace_back(ggufGpt2Split());
        return !step.boolean("add_prefix_space", true);
    }
    if (type != "Split" || step.boolean("invert", false) || step.require("behavior").string() != "Isolated")
        return false;
    const auto regex = step.require("pattern").member("Regex");
    if (regex)
        splits.push_back(regex->string());
    return regex.has_value();
}

std::string preTokenizerName(const JsonView& root)
{
    std::vector<std::string> splits;
    const auto step = root.member("pre_tokenizer");
    const auto normalizer = root.member("normalizer");
    const bool nfc = normalizer && normalizer->require("type").string() == "NFC";
    if (step && (!normalizer || nfc) && addSplits(*step, splits))
        if (const auto name = ggufPreTokenizerName(splits, nfc, root.require("model").boolean("ignore_merges", false)))
            return *name;
    root.fail("has a pre-tokenizer that GGUF has no name for, so that it cannot be written", ErrorKind::Unsupported);
}

void exportByteLevel(const JsonView& root, int vocabulary, GgufWriter& writer)
{
    const std::string name = preTokenizerName(root);
    const TokenTable table(root, vocabulary);
    std::vector<std::string> merges;
    for (const auto& [left, right] : readMerges(root.require("model").require("merges")))
        merges.push_back(left + ' ' + right);
    writer.addString("tokenizer.ggml.model", "gpt2");
    writer.addString("tokenizer.ggml.pre", name);
    writer.addStrings("tokenizer.ggml.tokens", table.texts);
    writer.addIntegers("tokenizer.ggml.token_type", table.types);
    writer.addStrings("tokenizer.ggml.merges", merges);
}

} // namespace

void exportTokenizer(const Checkpoint& checkpoint, int vocabulary, GgufWriter& writer)
{
    // Its own reader checks the file first; what follows relies on that.
    const auto tokenizer = checkpoint.tokenizer();
    if (!tokenizer) {
        writer.addString("tokenizer.ggml.model", "none");
        return;
    }
    const std::filesystem::path path = checkpoint.path() / "tokenizer.json";
    const auto file = MappedFile::open(path);
    const nlohmann::json json = parseJson(file->bytes(), path);
    const JsonView root(json, path);
    if (root.require("model").boolean("byte_fallback", false))
        exportSentencePiece(root, vocabulary, writer);
    else
        exportByteLevel(root, vocabulary, writer);
    if (tokenizer->bos())
        writer.addInteger("tokenizer.ggml.bos_token_id", uint32_t(*tokenizer->bos()));
    if (tokenizer->eos())
        writer.addInteger("tokenizer.ggml.eos_token_id", uint32_t(*tokenizer->eos()));
    writer.addBoolean("tokenizer.ggml.add_bos_token", tokenizer->wantsBos());
    if (const auto source = checkpoint.chatTemplateSource())
        writer.addString("tokenizer.chat_template", *source);
}

} // namespace cortex::engine
