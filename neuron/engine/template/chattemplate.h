// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace cortex::engine {

/// A template's context: objects keep their order, as Python dictionaries do (tojson shows it).
using TemplateContext = nlohmann::ordered_json;

/// A chat template: Jinja2 as Hugging Face transformers configures it (trim_blocks, lstrip_blocks, loop controls,
/// tojson without HTML escapes, raise_exception, strftime_now, generation blocks). Compiled once, rendered from any
/// thread. Bounded: rendering stops with an Error after a step and an output limit, and nesting has a depth limit.
class ChatTemplate {
public:
    /// `name` appears in messages. Throws Error(BadFile) with name, line and cause.
    ChatTemplate(const std::string& source, const std::string& name);
    ~ChatTemplate();
    ChatTemplate(ChatTemplate&&) noexcept;
    ChatTemplate& operator=(ChatTemplate&&) noexcept;

    /// The prompt for `context`, every entry of which is a variable of the template ("messages", "tools",
    /// "add_generation_prompt", "bos_token", …). `now` answers strftime_now, as local time. Throws
    /// Error(TemplateRaised) with the template's own message, or Error(BadRequest) naming line and cause for everything
    /// else.
    std::string render(const TemplateContext& context, std::chrono::local_seconds now) const;

    const std::string& source() const;

private:
    struct Compiled;
    std::unique_ptr<const Compiled> m_compiled;
};

} // namespace cortex::engine
