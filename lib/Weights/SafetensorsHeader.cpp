//===- SafetensorsHeader.cpp - The header of a safetensors file -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file is
//
//   8 bytes    N, unsigned, little-endian
//   N bytes    a JSON object:  name -> {dtype, shape, data_offsets: [b, e]},
//              and optionally  "__metadata__" -> {string -> string}
//   the rest   the data; b and e count from its start
//
// and its header is attacker's input. Three steps: frame (the length against
// the file), read (JSON events into tables, every field's kind checked), and
// layout (sorted by offset, the tensors are exactly the data). Time and memory
// grow with the header, never with what it claims. The rules, the limits and
// the treatment of unknown members (ignored) are those of the safetensors
// project (github.com/huggingface/safetensors, README.md and src/tensor.rs).
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/SafetensorsHeader.h"

#include "lib/Weights/StrictJson.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <set>
#include <tuple>

namespace moec::weights {

namespace {

constexpr uint64_t lengthBytes = 8;
constexpr std::string_view metadataKey = "__metadata__";

using Kind = JsonValue::Kind;

/// Builds the tables from the events of the header's JSON.
class HeaderReader final : public JsonReader {
public:
  explicit HeaderReader(Header &header) : header(header) {}

  Status key(std::string_view key) override;
  Status value(const JsonValue &value) override;
  Status close() override;

private:
  /// What the innermost array or object is.
  enum class Inside { Header, Metadata, Tensor, Shape, Offsets, Ignored };
  enum class Field { DType, Shape, Offsets, Unknown };

  Status addMetadata(const JsonValue &value);
  Status openMember(const JsonValue &value);
  Status setField(const JsonValue &value);
  Status setDType(const JsonValue &value);
  Status addExtent(const JsonValue &value);
  Status addOffset(const JsonValue &value);
  Status ignore(const JsonValue &value);
  Status finishTensor();
  /// A failure about `part` of the current tensor.
  Status wrong(std::string_view part, std::string_view what) const;
  Status require(Kind kind, std::string_view part,
                 const JsonValue &found) const;

  Header &header;
  std::vector<Inside> inside;
  Field field = Field::Unknown;
  std::string metadataEntry;

  TensorInfo tensor;
  bool hasDType = false;
  bool hasShape = false;
  unsigned numOffsets = 0;
};

Status HeaderReader::wrong(std::string_view part, std::string_view what) const {
  bool isMetadata = tensor.name == metadataKey;
  std::string message = isMetadata ? tensor.name : tensorText(tensor.name);
  if (!part.empty())
    message.append(": ").append(part);
  return Status::failure(ErrorCode::JsonField,
                         message.append(": ").append(what));
}

Status HeaderReader::require(Kind kind, std::string_view part,
                             const JsonValue &found) const {
  if (found.kind == kind)
    return {};
  JsonValue expected{.kind = kind};
  return wrong(part, "expected " + std::string(expected.describe()) +
                         ", found " + std::string(found.describe()));
}

Status HeaderReader::key(std::string_view key) {
  switch (inside.back()) {
  case Inside::Header:
    tensor = TensorInfo();
    tensor.name = key;
    hasDType = hasShape = false;
    numOffsets = 0;
    break;
  case Inside::Metadata:
    metadataEntry = key;
    break;
  case Inside::Tensor:
    field = key == "dtype"          ? Field::DType
            : key == "shape"        ? Field::Shape
            : key == "data_offsets" ? Field::Offsets
                                    : Field::Unknown;
    break;
  default:
    break;
  }
  return {};
}

Status HeaderReader::value(const JsonValue &value) {
  if (inside.empty()) {
    // frame() has seen the '{'.
    inside.push_back(Inside::Header);
    return {};
  }
  switch (inside.back()) {
  case Inside::Header:
    return openMember(value);
  case Inside::Metadata:
    return addMetadata(value);
  case Inside::Tensor:
    return setField(value);
  case Inside::Shape:
    return addExtent(value);
  case Inside::Offsets:
    return addOffset(value);
  case Inside::Ignored:
    return ignore(value);
  }
  return {};
}

Status HeaderReader::openMember(const JsonValue &value) {
  bool isMetadata = tensor.name == metadataKey;
  inside.push_back(isMetadata ? Inside::Metadata : Inside::Tensor);
  return require(Kind::Object, "", value);
}

Status HeaderReader::addMetadata(const JsonValue &value) {
  if (value.kind != Kind::String)
    return require(Kind::String, "entry " + inQuotes(metadataEntry), value);
  header.metadata.emplace(metadataEntry, value.text);
  return {};
}

Status HeaderReader::setField(const JsonValue &value) {
  switch (field) {
  case Field::DType:
    return setDType(value);
  case Field::Shape:
    hasShape = true;
    inside.push_back(Inside::Shape);
    return require(Kind::Array, "shape", value);
  case Field::Offsets:
    inside.push_back(Inside::Offsets);
    return require(Kind::Array, "data_offsets", value);
  case Field::Unknown:
    return ignore(value);
  }
  return {};
}

Status HeaderReader::setDType(const JsonValue &value) {
  if (value.kind != Kind::String)
    return require(Kind::String, "dtype", value);
  std::optional<DType> type = parseDType(value.text);
  if (!type)
    return Status::failure(ErrorCode::UnknownType,
                           tensorText(tensor.name) + ": dtype " +
                               inQuotes(value.text) +
                               " is not one of the safetensors format");
  tensor.dtype = *type;
  hasDType = true;
  return {};
}

Status HeaderReader::addExtent(const JsonValue &value) {
  tensor.shape.push_back(value.number);
  return require(Kind::Unsigned, "shape", value);
}

Status HeaderReader::addOffset(const JsonValue &value) {
  if (numOffsets == 2)
    return wrong("data_offsets", "expected two integers, found more");
  (numOffsets == 0 ? tensor.begin : tensor.end) = value.number;
  ++numOffsets;
  return require(Kind::Unsigned, "data_offsets", value);
}

Status HeaderReader::ignore(const JsonValue &value) {
  if (value.opens())
    inside.push_back(Inside::Ignored);
  return {};
}

Status HeaderReader::close() {
  Inside closed = inside.back();
  inside.pop_back();
  if (closed == Inside::Offsets && numOffsets != 2)
    return wrong("data_offsets",
                 "expected two integers, found " + std::to_string(numOffsets));
  return closed == Inside::Tensor ? finishTensor() : Status();
}

Status HeaderReader::finishTensor() {
  std::string_view missing = !hasDType         ? "dtype"
                             : !hasShape       ? "shape"
                             : numOffsets != 2 ? "data_offsets"
                                               : "";
  if (!missing.empty())
    return wrong("", "no " + std::string(missing));
  header.tensors.push_back(std::move(tensor));
  return {};
}

/// The JSON text, or why the file cannot have one.
Result<std::string_view> frame(std::span<const std::byte> file) {
  auto fileSize = " of a file of " + std::to_string(file.size()) + " bytes";
  if (file.size() < lengthBytes)
    return Status::failure(ErrorCode::HeaderTooSmall,
                           "a safetensors file begins with 8 bytes of header "
                           "length, this one has " +
                               std::to_string(file.size()));
  uint64_t length = 0;
  std::memcpy(&length, file.data(), lengthBytes);
  if (length > maxJsonBytes)
    return Status::failure(ErrorCode::HeaderTooLarge,
                           "header length " + std::to_string(length) +
                               " exceeds the limit of " +
                               std::to_string(maxJsonBytes) + " bytes");
  if (length > file.size() - lengthBytes)
    return Status::failure(ErrorCode::HeaderTruncated,
                           "the header ends at byte " +
                               std::to_string(lengthBytes + length) + fileSize +
                               "; is it truncated?");
  std::string_view text(
      reinterpret_cast<const char *>(file.data()) + lengthBytes, length);
  if (!text.starts_with('{'))
    return Status::failure(
        ErrorCode::HeaderStart,
        text.empty()
            ? std::string("the header is empty, it must begin with '{'")
            : "the header must begin with '{', found " +
                  inQuotes(text.substr(0, 1)));
  return text;
}

Result<Header> parse(std::span<const std::byte> file) {
  Result<std::string_view> text = frame(file);
  if (!text)
    return std::move(text).status();
  Header header;
  HeaderReader reader(header);
  Status status = readStrictJson(*text, reader);
  if (!status.ok())
    return std::move(status).in("header");
  header.dataOffset = lengthBytes + text->size();
  // Empty tensors share their offset with a neighbour; the name makes the order
  // the same for every spelling of one header.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo &a, const TensorInfo &b) {
              return std::tie(a.begin, a.end, a.name) <
                     std::tie(b.begin, b.end, b.name);
            });
  status = checkLayout(header.tensors, file.size() - header.dataOffset);
  if (!status.ok())
    return status;
  return header;
}

std::string jsonString(const std::string &text) {
  return nlohmann::json(text).dump();
}

std::string jsonOf(const TensorInfo &tensor) {
  std::string out = jsonString(tensor.name) + ":{\"dtype\":\"" +
                    std::string(name(tensor.dtype)) + "\",\"shape\":[";
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    out += (i ? "," : "") + std::to_string(tensor.shape[i]);
  return out + "],\"data_offsets\":[" + std::to_string(tensor.begin) + "," +
         std::to_string(tensor.end) + "]}";
}

std::string jsonOf(const std::map<std::string, std::string> &metadata) {
  std::string out = jsonString(std::string(metadataKey)) + ":{";
  for (const auto &[key, value] : metadata)
    out += (out.back() == '{' ? "" : ",") + jsonString(key) + ":" +
           jsonString(value);
  return out + "}";
}

std::string jsonOf(const std::vector<TensorInfo> &tensors,
                   const std::map<std::string, std::string> &metadata) {
  std::string out = "{";
  if (!metadata.empty())
    out += jsonOf(metadata);
  for (const TensorInfo &tensor : tensors)
    out += (out.size() == 1 ? "" : ",") + jsonOf(tensor);
  out += "}";
  out.resize((out.size() + 7) / 8 * 8, ' ');
  return out;
}

Status checkNames(const std::vector<TensorInfo> &tensors) {
  std::set<std::string_view> names = {metadataKey};
  for (const TensorInfo &tensor : tensors)
    if (!names.insert(tensor.name).second)
      return Status::failure(ErrorCode::InvalidArgument,
                             tensorText(tensor.name) +
                                 ": the name is taken already");
  return {};
}

} // namespace

Result<Header> parseHeader(std::span<const std::byte> file) try {
  return parse(file);
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory for the tables of the header");
}

Result<std::string>
renderHeader(const std::vector<TensorInfo> &tensors,
             const std::map<std::string, std::string> &metadata) try {
  Status status = checkNames(tensors);
  if (status.ok())
    status = checkLayout(tensors, tensors.empty() ? 0 : tensors.back().end);
  if (!status.ok())
    return status;
  std::string json = jsonOf(tensors, metadata);
  uint64_t length = json.size();
  if (length > maxJsonBytes)
    return Status::failure(ErrorCode::HeaderTooLarge,
                           "header length " + std::to_string(length) +
                               " exceeds the limit of " +
                               std::to_string(maxJsonBytes) + " bytes");
  char prefix[lengthBytes];
  std::memcpy(prefix, &length, lengthBytes);
  return json.insert(0, prefix, lengthBytes);
} catch (const nlohmann::json::exception &) {
  return Status::failure(ErrorCode::InvalidArgument,
                         "a name or metadata entry is not UTF-8");
} catch (const std::bad_alloc &) {
  return Status::failure(ErrorCode::OutOfMemory,
                         "not enough memory to write the header");
}

} // namespace moec::weights
