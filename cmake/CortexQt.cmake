# SPDX-License-Identifier: GPL-3.0-only
# Qt and the libraries of the Qt side. Debian 12's Qt 6.4.2 is the floor.

find_package(Qt6 6.4.2 REQUIRED COMPONENTS Core Network HttpServer)
if(CORTEX_GUI)
    find_package(Qt6 6.4.2 REQUIRED COMPONENTS Gui Widgets Charts Svg)
endif()
if(CORTEX_TESTS)
    find_package(Qt6 6.4.2 REQUIRED COMPONENTS Test)
endif()
find_package(CURL 7.88 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)

# Linked by every target that uses Qt, beside cortex_flags. What a later Qt deprecates warns nobody: its replacement may
# not be in the floor yet, and warnings are errors.
add_library(cortex_qt_flags INTERFACE)
target_link_libraries(cortex_qt_flags INTERFACE cortex_flags)
target_compile_definitions(cortex_qt_flags INTERFACE
    QT_NO_CAST_FROM_ASCII QT_NO_CAST_TO_ASCII QT_NO_URL_CAST_FROM_STRING QT_NO_CAST_FROM_BYTEARRAY
    QT_NO_KEYWORDS QT_NO_FOREACH QT_NO_NARROWING_CONVERSIONS_IN_CONNECT QT_STRICT_ITERATORS
    QT_DISABLE_DEPRECATED_BEFORE=0x060400 QT_WARN_DEPRECATED_UP_TO=0x060400)
