# Compiler and linker flags, each written once.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
# -O2, not CMake's -O3: the budget of the fast paths was set at -O2. -g costs nothing at run time.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

set(COLLAM_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Wundef)
if(COLLAM_WERROR)
    list(APPEND COLLAM_WARNINGS -Werror)
endif()

# A compiler that knows malloc may remove a pair of calls, or turn malloc and memset into calloc inside calloc itself.
set(COLLAM_NO_BUILTIN_MALLOC -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
    -fno-builtin-aligned_alloc -fno-builtin-memalign -fno-builtin-posix_memalign -fno-builtin-valloc -fno-builtin-pvalloc)

# Frame tables for all files: an exception thrown by new_handler passes through operator new. Never by link-time optimisation, which
# distributions switch on for all they build: the archives are linked to one object whose names are then made local, and that would be done
# to the compiler's notes instead of code.
set(COLLAM_LIBRARY_FLAGS -fno-lto ${COLLAM_NO_BUILTIN_MALLOC} -ftls-model=initial-exec -fno-plt -fasynchronous-unwind-tables
    -fno-semantic-interposition $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # A byte loop in the core must stay a loop: memset may not be called before relocation.
    list(APPEND COLLAM_LIBRARY_FLAGS -fno-tree-loop-distribute-patterns)
else()
    list(APPEND COLLAM_LIBRARY_FLAGS -fno-builtin-memset -fno-builtin-memcpy)
endif()

# initfirst: our fork handlers must be registered before any other library's, see docs/CONCURRENCY.md.
set(COLLAM_SHARED_LINK_FLAGS LINKER:-z,initfirst LINKER:-z,now LINKER:-z,relro LINKER:-z,nodelete LINKER:-z,defs LINKER:--as-needed
    LINKER:--exclude-libs,ALL LINKER:--hash-style=gnu)

if(COLLAM_DEBUG)
    add_compile_definitions(COLLAM_DEBUG=1)
endif()
if(COLLAM_SANITIZE)
    add_compile_options(-fsanitize=${COLLAM_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${COLLAM_SANITIZE})
    if(COLLAM_SANITIZE STREQUAL "undefined")
        add_compile_options(-fno-sanitize-recover=all)
    endif()
endif()
if(COLLAM_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()
