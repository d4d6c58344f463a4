# SPDX-License-Identifier: GPL-3.0-only
# What every target shares: language level, warnings, optimisation levels, sanitizers, ccache, where binaries land.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Dev: assertions on, debuggable, yet fast enough to run a model in the tests.
set(CMAKE_CXX_FLAGS_DEV "-O2 -g1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG" CACHE STRING "" FORCE)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# The built-in model stands beside bin as it does once installed, so that programs look in one place.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/cortex/models)
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/resources/builtin ${CMAKE_BINARY_DIR}/share/cortex/models/cortex-tiny SYMBOLIC)

find_program(CORTEX_CCACHE ccache)
if(CORTEX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CORTEX_CCACHE})
endif()

# Linked by every target of ours: warnings are errors.
add_library(cortex_flags INTERFACE)
target_compile_options(cortex_flags INTERFACE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 reports these inside the standard library at -O2/-O3 and is wrong (PR 105329, PR 105562).
    target_compile_options(cortex_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
    # GCC 13 and later take any reference got through a temporary view for one into that view (PR 107488 and others).
    if(CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
        target_compile_options(cortex_flags INTERFACE -Wno-dangling-reference)
    endif()
    # The vector kernels pass 512-bit values between inlined functions; the ABI note concerns nobody outside them.
    target_compile_options(cortex_flags INTERFACE -Wno-psabi)
endif()

if(CORTEX_SANITIZE)
    add_compile_options(-fsanitize=${CORTEX_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${CORTEX_SANITIZE})
    if(CORTEX_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
if(CORTEX_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "CORTEX_FUZZ needs clang: use the fuzz preset")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=address,undefined)
endif()
