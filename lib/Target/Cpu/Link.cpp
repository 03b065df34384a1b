//===- Link.cpp - From object code to a shared object ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Target.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace moec;

static llvm::Error failure(const llvm::Twine &what) {
  return llvm::createStringError("[MOE7005] linking failed: " + what);
}

/// No fault of the linker: the folder of temporary files is full, or not there.
static llvm::Error cannotWrite(llvm::StringRef path, std::error_code error) {
  bool isFull = error == std::errc::no_space_on_device ||
                error == std::errc::file_too_large;
  return llvm::createStringError((isFull ? "[MOE0402]" : "[MOE0130]") +
                                 llvm::Twine(" cannot write ") + path + ": " +
                                 error.message());
}

llvm::Expected<std::string> moec::linkSharedObject(llvm::StringRef object,
                                                   const TargetSpec &) {
  llvm::SmallString<128> input, output;
  if (std::error_code error =
          llvm::sys::fs::createTemporaryFile("moec", "o", input))
    return cannotWrite("a temporary file", error);
  llvm::FileRemover removeInput(input);
  if (std::error_code error =
          llvm::sys::fs::createTemporaryFile("moec", "so", output))
    return cannotWrite("a temporary file", error);
  llvm::FileRemover removeOutput(output);
  {
    std::error_code error;
    llvm::raw_fd_ostream os(input, error);
    os << object;
    os.close();
    if (!error)
      error = os.error();
    os.clear_error();
    if (error)
      return cannotWrite(input, error);
  }
  // The linker keeps global state: one link at a time in a process.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::string messages;
  llvm::raw_string_ostream os(messages);
  const char *args[] = {"ld.lld",          "-shared",          "-o",
                        output.c_str(),    input.c_str(),      "--no-undefined",
                        "--build-id=none", "--hash-style=gnu", "-znow",
                        "-zrelro",         "--gc-sections",    "-s"};
  lld::Result result =
      lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode)
    return failure(messages);
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return failure(buffer.getError().message());
  return (*buffer)->getBuffer().str();
}
