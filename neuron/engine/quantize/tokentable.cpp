// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/quantize/tokentable.h"

#include "neuron/engine/formats/quotedname.h"

namespace cortex::engine {

TokenTable::TokenTable(const JsonView& root, int vocabulary)
{
    for (int id = 0; id < vocabulary; ++id)
        texts.push_back("[PAD" + std::to_string(id) + "]");
    types.assign(size_t(vocabulary), Unused);
    const auto set = [this](const JsonView& where, int64_t id, const std::string& text, Type type) {
        if (id < 0 || id >= int64_t(texts.size()))
            where.fail("has the token " + quotedName(text) + " with the id " + std::to_string(id)
                       + ", and the model has " + std::to_string(texts.size()) + " tokens");
        texts[size_t(id)] = text;
        types[size_t(id)] = type;
    };
    const JsonView entries = root.require("model").require("vocab");
    for (const auto& [text, id] : entries.raw().items())
        set(entries, id.get<int64_t>(), text, Normal);
    if (const auto added = root.member("added_tokens"))
        for (const JsonView& token : added->elements())
            set(token, token.require("id").integer(), token.require("content").string(),
                token.boolean("special", false) ? Control : UserDefined);
}

std::vector<std::pair<std::string, std::string>> readMerges(const JsonView& merges)
{
    std::vector<std::pair<std::string, std::string>> list;
    for (const nlohmann::json& merge : merges.raw()) {
        if (!merge.is_string()) {
            list.emplace_back(merge.at(0).get<std::string>(), merge.at(1).get<std::string>());
            continue;
        }
        const auto& text = merge.get_ref<const std::string&>();
        const size_t space = text.find(' ');
        list.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
    return list;
}

} // namespace cortex::engine
