# What the black-box tests share. Warnings, and calls of malloc kept as written, come from tests/CMakeLists.txt.
include_guard(GLOBAL)

# collam_test_program(NAME source... [SHARED] [LINK target...]): an executable or, with SHARED, a library to preload or open.
function(collam_test_program name)
    cmake_parse_arguments(arg "SHARED" "" "LINK" ${ARGN})
    if(arg_SHARED)
        add_library(${name} SHARED ${arg_UNPARSED_ARGUMENTS})
    else()
        add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
    endif()
    target_compile_options(${name} PRIVATE -fno-builtin
        $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-fsized-deallocation>)
    target_link_libraries(${name} PRIVATE ${arg_LINK} Threads::Threads ${CMAKE_DL_LIBS})
endfunction()

# collam_add_test(NAME seconds LABEL command...): registered with a time limit; status 77 is a skip that says why.
function(collam_add_test name seconds label)
    add_test(NAME ${name} COMMAND ${ARGN})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds} LABELS ${label} SKIP_RETURN_CODE 77)
endfunction()
