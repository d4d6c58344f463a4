// SPDX-License-Identifier: GPL-3.0-only
// Where the chat template of a checkpoint comes from.
#include "neuron/engine/models/checkpoint.h"
#include "text_support.h"

namespace {

/// A folder with all that opening a checkpoint asks for: a config and one tensor.
class CheckpointFolder : public TemporaryFolder {
public:
    CheckpointFolder()
    {
        write("config.json", R"({"model_type": "llama"})");
        const std::string header =
            R"({"model.embed_tokens.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}})";
        std::string file;
        GgufBuilder::raw(file, uint64_t(header.size()));
        write("model.safetensors", file + header + std::string(4, '\0'));
    }

    std::optional<std::string> source() const { return engine::Checkpoint(path()).chatTemplateSource(); }
};

} // namespace

TEST_CASE("a folder's chat template is in chat_template.jinja, or else in its settings")
{
    const CheckpointFolder folder;
    CHECK_FALSE(folder.source().has_value());
    folder.write("tokenizer_config.json", R"({"chat_template": null})");
    CHECK_FALSE(folder.source().has_value());
    folder.write("tokenizer_config.json", R"({"chat_template": "one {{ messages }}"})");
    CHECK(folder.source() == "one {{ messages }}");
    folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                                                 {"name": "default", "template": "plain"}]})");
    CHECK(folder.source() == "plain");
    folder.write("chat_template.json", R"({"chat_template": "processor"})");
    CHECK(folder.source() == "processor");
    folder.write("chat_template.jinja", "file {{ bos_token }}\n");
    CHECK(folder.source() == "file {{ bos_token }}\n");
}

TEST_CASE("a damaged tokenizer_config.json is refused by name where the chat template is looked for")
{
    const CheckpointFolder folder;
    folder.write("tokenizer_config.json", "{\"chat_template\": ");
    checkRefused([&] { folder.source(); }, ErrorKind::BadFile, {"tokenizer_config.json", "not valid JSON"});
}

TEST_CASE("a GGUF file holds its chat template")
{
    const TemporaryFolder folder;
    GgufBuilder builder;
    builder.string("general.architecture", "llama");
    const auto without = folder.write("without.gguf", builder.build());
    CHECK_FALSE(engine::Checkpoint(without).chatTemplateSource().has_value());
    builder.string("tokenizer.chat_template", "{{ bos_token }}{{ messages }}");
    const auto with = folder.write("with.gguf", builder.build());
    CHECK(engine::Checkpoint(with).chatTemplateSource() == "{{ bos_token }}{{ messages }}");
}
