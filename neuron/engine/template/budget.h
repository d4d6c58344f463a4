// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cortex::engine::jinja {

/// What a template may use. Every bound is far beyond what a real chat template needs.
namespace limits {
constexpr size_t sourceBytes = size_t(4) << 20;
constexpr size_t textBytes = size_t(64) << 20; ///< one string, and the output
constexpr size_t liveBytes = size_t(256) << 20; ///< all values alive at one time
constexpr uint64_t steps = 20'000'000; ///< nodes evaluated, plus work done on data in units of 64 bytes
constexpr unsigned expressionDepth = 200; ///< of one expression's tree
constexpr unsigned statementDepth = 100; ///< of blocks within blocks
constexpr unsigned evaluationDepth = 800; ///< of running evaluations; bounds the machine stack
constexpr unsigned valueDepth = 200; ///< of containers within containers
constexpr size_t rangeLength = 100'000; ///< as Jinja's sandbox bounds range()
} // namespace limits

/// Stops the template: "TypeError"-like conditions of Python, Jinja's own errors, and exceeded limits alike. The
/// interpreter turns it into an engine::Error that names template and line.
struct Fault {
    std::string message;
};

[[noreturn]] void fail(std::string message);

/// The account of one render (or one compilation). Values charge themselves to the thread's current budget when they
/// are made and give back when they die, so they must not outlive it.
class Budget {
public:
    /// Makes itself current on this thread until destroyed. Budgets nest.
    Budget();
    ~Budget();
    Budget(const Budget&) = delete;
    Budget& operator=(const Budget&) = delete;

    static Budget* current();

    void work(uint64_t units)
    {
        if ((m_steps += units) > limits::steps)
            exhausted();
    }
    void take(size_t bytes);
    void giveBack(size_t bytes) { m_live -= bytes; }
    size_t live() const { return m_live; }

private:
    [[noreturn]] static void exhausted();

    Budget* m_outer;
    uint64_t m_steps = 0;
    size_t m_live = 0;
};

/// Counts work on `bytes` of data.
void workOn(size_t bytes);

/// Refuses a string of more than limits::textBytes, before it is made.
void requireTextSize(size_t bytes);

/// Refuses `count` further values of `size` bytes where the budget could not hold them, before they are made.
void requireSpace(size_t count, size_t size);

/// A share of the current budget, held as long as it lives. Not copied: each object charges for itself.
class Charge {
public:
    explicit Charge(size_t bytes);
    ~Charge();
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;
    void add(size_t bytes);

private:
    Budget* m_budget;
    size_t m_bytes = 0;
};

/// A string under construction that cannot outgrow limits::textBytes.
class TextBuilder {
public:
    TextBuilder& operator<<(std::string_view text)
    {
        requireTextSize(m_text.size() + text.size());
        m_text += text;
        return *this;
    }
    TextBuilder& operator<<(char character) { return *this << std::string_view(&character, 1); }
    void repeat(std::string_view text, size_t count);
    size_t size() const { return m_text.size(); }
    const std::string& text() const { return m_text; }
    std::string take() { return std::move(m_text); }

private:
    std::string m_text;
};

} // namespace cortex::engine::jinja
