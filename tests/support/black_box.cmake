# What the black-box tests share: how a test program is compiled, and which library it is linked with.
include_guard(GLOBAL)

set(COLLAM_BLACK_BOX_C -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror -fno-builtin -g)

# A sanitizer that brings its own malloc cannot be interposed: under those only the collam_* names are tested.
set(COLLAM_TESTS_INTERPOSE TRUE)
if("${CMAKE_C_FLAGS} ${COLLAM_SANITIZE} ${COLLAM_SANITIZER}" MATCHES "address|thread|memory")
  set(COLLAM_TESTS_INTERPOSE FALSE)
endif()

# collam_test_program(NAME source... [LINK target...]): an executable or, with SHARED, a library, of the tests' warnings.
function(collam_test_program name)
  cmake_parse_arguments(arg "SHARED" "" "LINK" ${ARGN})
  if(arg_SHARED)
    add_library(${name} SHARED ${arg_UNPARSED_ARGUMENTS})
  else()
    add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  endif()
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_compile_options(${name} PRIVATE ${COLLAM_BLACK_BOX_C} $<$<COMPILE_LANGUAGE:CXX>:-fsized-deallocation -faligned-allocation>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE ${arg_LINK} Threads::Threads ${CMAKE_DL_LIBS})
  set_target_properties(${name} PROPERTIES C_STANDARD 17 C_EXTENSIONS ON CXX_STANDARD 17 CXX_EXTENSIONS ON)
endfunction()

# collam_add_test(NAME seconds LABEL command...): registered with a time limit; status 77 is a skip that says why.
function(collam_add_test name seconds label)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds} LABELS ${label} SKIP_RETURN_CODE 77)
endfunction()

find_package(Threads REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
