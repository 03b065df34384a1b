# Helpers for the rooms: one way to declare a library, with the warnings of the
# house, and with MLIR as the packaged shared library.

set(MOEC_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter)

# moec_library(NAME [MLIR] SOURCES a.cpp ... [DEPENDS target ...] [LINK lib ...])
#   MLIR:    the library includes MLIR or LLVM headers and links libMLIR, libLLVM
#   DEPENDS: generated headers that must exist first
#   LINK:    other libraries, public
function(moec_library name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${MOEC_WARNINGS})
  target_include_directories(${name} PUBLIC
    ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/include)
  if(ARG_MLIR)
    moec_use_mlir(${name})
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(ARG_LINK)
    target_link_libraries(${name} PUBLIC ${ARG_LINK})
  endif()
endfunction()

# Reading MLIR's headers is four fifths of the time of compiling a file, so all that include
# them share one precompiled header. It holds nothing of ours: a change of ours never remakes it. Flags must
# be those of its users, hence -fPIC for programs too.
function(moec_mlir_headers)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/MlirHeaders.cpp CONTENT "")
  add_library(MoecMlirHeaders OBJECT ${CMAKE_BINARY_DIR}/MlirHeaders.cpp)
  target_include_directories(MoecMlirHeaders SYSTEM PRIVATE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  # Without a time stamp inside, ccache knows an equal header again.
  target_compile_options(MoecMlirHeaders PRIVATE -fno-rtti -fPIC "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(MoecMlirHeaders PRIVATE
    <mlir/Dialect/Arith/IR/Arith.h>
    <mlir/Dialect/Func/IR/FuncOps.h>
    <mlir/Dialect/Linalg/IR/Linalg.h>
    <mlir/Dialect/Math/IR/Math.h>
    <mlir/Dialect/MemRef/IR/MemRef.h>
    <mlir/Dialect/SCF/IR/SCF.h>
    <mlir/Dialect/Tensor/IR/Tensor.h>
    <mlir/Dialect/Vector/IR/VectorOps.h>
    <mlir/IR/BuiltinOps.h>
    <mlir/Pass/Pass.h>
    <mlir/Transforms/DialectConversion.h>
    <llvm/ADT/TypeSwitch.h>
    <llvm/ADT/StringExtras.h>)
endfunction()

# Includes MLIR as system headers and links the shared libraries explicitly
# (MLIRConfig.cmake does not choose them by itself).
function(moec_use_mlir name)
  if(NOT TARGET MoecMlirHeaders)
    moec_mlir_headers()
  endif()
  target_precompile_headers(${name} REUSE_FROM MoecMlirHeaders)
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE -fno-rtti -fPIC)
  target_link_libraries(${name} PUBLIC MLIR LLVM)
endfunction()

# moec_unittest(NAME SOURCES a.cpp ... LINK lib ...): a GoogleTest program in
# build/unittests, which `make check` runs.
function(moec_unittest name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unittests)
  target_compile_options(${name} PRIVATE ${MOEC_WARNINGS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main Threads::Threads)
  if(ARG_MLIR)
    moec_use_mlir(${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY MOEC_UNITTESTS ${name})
endfunction()

# moec_fuzzer(NAME SOURCES a.cpp b.cpp ...): a libFuzzer target in build/fuzz, compiled together
# with the parser that it attacks, under ASan and UBSan. `make check` runs each for a short while over
# test/fuzz/<NAME>/ (its corpus).
function(moec_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} nlohmann_json::nlohmann_json)
  set_property(GLOBAL APPEND PROPERTY MOEC_FUZZERS ${name})
endfunction()
