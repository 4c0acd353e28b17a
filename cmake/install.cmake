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

# From ${pcfiledir}, so that an installation can be moved.
set(pc_directory ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH COLLAM_PC_PREFIX ${pc_directory} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH COLLAM_PC_LIBDIR ${pc_directory} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH COLLAM_PC_INCLUDEDIR ${pc_directory} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
foreach(package collam collam-static)
    configure_file(cmake/${package}.pc.in ${package}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
