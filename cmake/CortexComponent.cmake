# SPDX-License-Identifier: GPL-3.0-only
# cortex_component(TARGET FOLDER): gives TARGET an include directory that holds FOLDER and nothing else of the tree, so
# that `#include "kernels/device.h"` compiles only in targets that link cortex_kernels. This is how the include rules of
# the design are enforced; tests/unit/house proves it with includes that must fail.
function(cortex_component target folder)
    set(root ${CMAKE_BINARY_DIR}/include/${target})
    get_filename_component(parent ${root}/${folder} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
    target_include_directories(${target} PUBLIC ${root})
endfunction()
