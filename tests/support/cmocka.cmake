# The target collam_cmocka: cmocka, or what stands in for it where a cross build finds none.
include_guard(GLOBAL)

add_library(collam_cmocka INTERFACE)
find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
if(CMOCKA_INCLUDE AND CMOCKA_LIBRARY)
    target_include_directories(collam_cmocka INTERFACE ${CMOCKA_INCLUDE})
    target_link_libraries(collam_cmocka INTERFACE ${CMOCKA_LIBRARY})
elseif(CMAKE_CROSSCOMPILING)
    target_include_directories(collam_cmocka INTERFACE ${CMAKE_CURRENT_LIST_DIR}/cmocka)
else()
    message(FATAL_ERROR "cmocka is missing (on Debian: libcmocka-dev)")
endif()
