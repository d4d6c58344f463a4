// SPDX-License-Identifier: GPL-3.0-only
#pragma once

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <sstream>
#include <string>

namespace cortex::engine::cli {

/// Any count of tokens: more than a model could ever be asked for, and two of them are still an int.
constexpr int mostTokens = 1 << 28;
constexpr int mostThreads = 4096;

/// Accepts a whole word that `read` (strtol's or strtod's way) makes a number from `low` to `high` of, both included;
/// `kind` begins the message about any other. CLI11's own bounds let "nan" pass, and print the largest double in full
/// where there is no upper one.
template <class Number>
CLI::Validator numberBetween(Number low, Number high, Number (*read)(const char* text, char** end), const char* kind)
{
    std::ostringstream bounds;
    bounds << low << " to " << high;
    const std::string range = bounds.str();
    const auto check = [low, high, read, expected = kind + range](const std::string& text) {
        char* end = nullptr;
        const Number value = read(text.c_str(), &end);
        const bool whole = !text.empty() && *end == '\0';
        return whole && value >= low && value <= high ? std::string()
                                                      : "expected " + expected + ", got \"" + text + '"';
    };
    return {check, range};
}

/// Integers in decimal, bounds included.
inline CLI::Validator integerBetween(long low, long high)
{
    return numberBetween<long>(
        low, high, [](const char* text, char** end) { return std::strtol(text, end, 10); }, "an integer from ");
}

/// Any numbers but NaN, bounds included.
inline CLI::Validator between(double low, double high)
{
    return numberBetween<double>(low, high, std::strtod, "a number from ");
}

} // namespace cortex::engine::cli
