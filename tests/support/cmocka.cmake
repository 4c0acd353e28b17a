# The target collam_cmocka: cmocka, or what stands in for it where a cross build finds none. Without cmocka there is no such target, and
# the folders that need it are left out: who only builds the library need not have it. scripts/test.sh makes sure that it is there.
include_guard(GLOBAL)

find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
if((CMOCKA_INCLUDE AND CMOCKA_LIBRARY) OR CMAKE_CROSSCOMPILING)
    add_library(collam_cmocka INTERFACE)
    if(CMOCKA_INCLUDE AND CMOCKA_LIBRARY)
        target_include_directories(collam_cmocka INTERFACE ${CMOCKA_INCLUDE})
        target_link_libraries(collam_cmocka INTERFACE ${CMOCKA_LIBRARY})
    else()
        target_include_directories(collam_cmocka INTERFACE ${CMAKE_CURRENT_LIST_DIR}/cmocka)
    endif()
endif()
