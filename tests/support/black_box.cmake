# What the black-box tests share. Warnings, and calls of malloc kept as written, come from tests/CMakeLists.txt.
include_guard(GLOBAL)

# In the environment of a test, NAME=LIBRARY preloads a library into the program; under an emulator into that alone.
if(CMAKE_CROSSCOMPILING)
    set(COLLAM_PRELOAD QEMU_SET_ENV=LD_PRELOAD CACHE INTERNAL "")
    # Sizes of an OS page that such machines have besides 4 KiB, and the emulator can show.
    set(COLLAM_OTHER_PAGES 16384 65536 CACHE INTERNAL "")
else()
    set(COLLAM_PRELOAD LD_PRELOAD CACHE INTERNAL "")
endif()

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
