// SPDX-License-Identifier: GPL-3.0-only
#include "neuron/engine/template/budget.h"

#include <utility>

namespace cortex::engine::jinja {

namespace {
thread_local Budget* currentBudget = nullptr;
}

void fail(std::string message)
{
    throw Fault{std::move(message)};
}

Budget::Budget()
    : m_outer(std::exchange(currentBudget, this))
{
}

Budget::~Budget()
{
    currentBudget = m_outer;
}

Budget* Budget::current()
{
    return currentBudget;
}

void Budget::take(size_t bytes)
{
    if (bytes > limits::liveBytes - m_live)
        fail("the template's values need more than " + std::to_string(limits::liveBytes >> 20) + " MiB");
    m_live += bytes;
}

void Budget::exhausted()
{
    fail("the template takes more than " + std::to_string(limits::steps) + " steps");
}

void workOn(size_t bytes)
{
    if (Budget* budget = Budget::current())
        budget->work(bytes / 64 + 1);
}

void requireTextSize(size_t bytes)
{
    if (bytes > limits::textBytes)
        fail("a text would exceed " + std::to_string(limits::textBytes >> 20) + " MiB");
}

void requireSpace(size_t count, size_t size)
{
    const Budget* budget = Budget::current();
    const size_t free = limits::liveBytes - (budget ? budget->live() : 0);
    if (count > free / size)
        fail("the template's values need more than " + std::to_string(limits::liveBytes >> 20) + " MiB");
}

Charge::Charge(size_t bytes)
    : m_budget(Budget::current())
{
    add(bytes);
}

Charge::~Charge()
{
    if (m_budget)
        m_budget->giveBack(m_bytes);
}

void Charge::add(size_t bytes)
{
    if (!m_budget)
        return;
    m_budget->take(bytes);
    m_bytes += bytes;
}

void TextBuilder::repeat(std::string_view text, size_t count)
{
    if (text.empty() || count == 0)
        return;
    if (count > limits::textBytes / text.size())
        requireTextSize(limits::textBytes + 1);
    requireTextSize(m_text.size() + text.size() * count);
    workOn(text.size() * count);
    for (size_t i = 0; i < count; ++i)
        m_text += text;
}

} // namespace cortex::engine::jinja
