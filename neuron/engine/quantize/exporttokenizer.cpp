// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/exporttokenizer.h"

#include "neuron/engine/formats/jsonfile.h"
#include "neuron/engine/formats/quotedname.h"
#include "neuron/engine/text/ggufpretokenizers.h"

namespace cortex::engine {

namespace {

/// tokenizer.ggml.token_type.
enum TokenType : int32_t { Normal = 1, Control = 3, UserDefined = 4, Unused = 5 };

struct TokenTable {
    std::vector<std::string> texts;
    std::vector<int32_t> types;

    void set(const JsonView& where, int64_t id, const std::string& text, TokenType type)
    {
        if (id < 0 || id >= int64_t(texts.size()))
            where.fail("has the token " + quotedName(text) + " with the id " + std::to_string(id)
                       + ", and the model has " + std::to_string(texts.size()) + " tokens");
        texts[size_t(id)] = text;
        types[size_t(id)] = type;
    }
};

TokenTable readTokens(const JsonView& root, int vocabulary)
{
    TokenTable table;
    for (int id = 0; id < vocabulary; ++id)
        table.texts.push_back("[PAD" + std::to_string(id) + "]");
    table.types.assign(size_t(vocabulary), Unused);
    const JsonView entries = root.require("model").require("vocab");
    for (const auto& [text, id] : entries.raw().items())
        table.set(entries, id.get<int64_t>(), text, Normal);
    if (const auto added = root.member("added_tokens"))
        for (const JsonView& token : added->elements())
            table.set(token, token.require("id").integer(), token.require("content").string(),
                      token.boolean("special", false) ? Control : UserDefined);
    return table;
}

/// "left right"; files have them so, or as pairs.
std::vector<std::string> readMerges(const JsonView& merges)
{
    std::vector<std::string> list;
    for (const nlohmann::json& merge : merges.raw())
        list.push_back(merge.is_string() ? merge.get<std::string>()
                                         : merge.at(0).get<std::string>() + ' ' + merge.at(1).get<std::string>());
    return list;
}

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
    const std::string name = preTokenizerName(root);
    const TokenTable table = readTokens(root, vocabulary);
    writer.addString("tokenizer.ggml.model", "gpt2");
    writer.addString("tokenizer.ggml.pre", name);
    writer.addStrings("tokenizer.ggml.tokens", table.texts);
    writer.addIntegers("tokenizer.ggml.token_type", table.types);
    writer.addStrings("tokenizer.ggml.merges", readMerges(root.require("model").require("merges")));
    if (tokenizer->bos())
        writer.addInteger("tokenizer.ggml.bos_token_id", uint32_t(*tokenizer->bos()));
    if (tokenizer->eos())
        writer.addInteger("tokenizer.ggml.eos_token_id", uint32_t(*tokenizer->eos()));
    writer.addBoolean("tokenizer.ggml.add_bos_token", tokenizer->wantsBos());
    if (const auto source = checkpoint.chatTemplateSource())
        writer.addString("tokenizer.chat_template", *source);
}

} // namespace cortex::engine
