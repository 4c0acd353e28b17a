# What `cmake --install` puts where, and how other projects find it.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/collam)

install(TARGETS collam collam_static collam_pic EXPORT collam
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS collam_hardened LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS collam-run RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/collam DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT collam NAMESPACE collam:: FILE collamTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/collamConfig.cmake.in collamConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(collamConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/collamConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/collamConfigVersion.cmake
    DESTINATION ${package_dir})

# From ${pcfiledir}, so that an installation can be moved; but directories given by full names stay where they are.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(COLLAM_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /)
    set(COLLAM_PC_PREFIX "\${pcfiledir}/${up}")
endif()
foreach(directory LIBDIR INCLUDEDIR)
    set(COLLAM_PC_${directory} "\${prefix}/${CMAKE_INSTALL_${directory}}")
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${directory}}")
        set(COLLAM_PC_${directory} "${CMAKE_INSTALL_${directory}}")
    endif()
endforeach()
foreach(package collam collam-static)
    configure_file(cmake/${package}.pc.in ${package}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
