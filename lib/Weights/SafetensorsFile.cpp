//===- SafetensorsFile.cpp - One safetensors file -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The mapping and the header put together.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsFile.h"

#include <algorithm>
#include <new>
#include <numeric>

namespace moec::weights {

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) try {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file)
    return std::move(file).status();
  Result<Header> header = parseHeader(file->bytes());
  if (!header)
    return std::move(header).status().in(path);
  // A long header was read once and is in tables now.
  file->release(file->bytes().first(header->dataOffset));
  return SafetensorsFile(path, std::move(*file), std::move(*header));
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of a checkpoint");
}

SafetensorsFile::SafetensorsFile(std::string path, MappedFile file,
                                 Header header)
    : filePath(std::move(path)), file(std::move(file)),
      header(std::move(header)), byName(this->header.tensors.size()) {
  std::iota(byName.begin(), byName.end(), size_t(0));
  std::sort(byName.begin(), byName.end(), [&](size_t a, size_t b) {
    return this->header.tensors[a].name < this->header.tensors[b].name;
  });
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const {
  auto place = std::lower_bound(byName.begin(), byName.end(), name,
                                [&](size_t index, std::string_view wanted) {
                                  return header.tensors[index].name < wanted;
                                });
  if (place == byName.end() || header.tensors[*place].name != name)
    return nullptr;
  return &header.tensors[*place];
}

} // namespace moec::weights
