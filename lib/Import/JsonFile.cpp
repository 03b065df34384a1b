//===- JsonFile.cpp - JSON files of strangers -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The strict reader of the weights checks the text first; what passes it is
// safe to build a document of.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/JsonFile.h"
#include "lib/Weights/StrictJson.h"

#include <filesystem>
#include <fstream>
#include <limits>

using namespace moec::importer;

namespace {
/// Accepts everything; the strict reader's own checks are what counts.
class AnyDocument : public moec::weights::JsonReader {
public:
  moec::weights::Status key(std::string_view) override { return {}; }
  moec::weights::Status value(const moec::weights::JsonValue &) override {
    return {};
  }
  moec::weights::Status close() override { return {}; }
};
} // namespace

/// A configuration has a few kilobytes.
static constexpr uint64_t maxBytes = 16u << 20;

std::optional<Json> moec::importer::parseJsonObject(std::string_view text,
                                                    const std::string &file,
                                                    Diagnostics &diagnostics) {
  AnyDocument reader;
  auto status = moec::weights::readStrictJson(text, reader);
  if (!status.ok())
    return diagnostics.error(code::notJson, file + ": " + status.message());
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return diagnostics.error(code::notJson,
                             file + ": expected one JSON object, got " +
                                 json.type_name());
  return json;
}

std::optional<Json> moec::importer::readJsonObject(const std::string &path,
                                                   Diagnostics &diagnostics) {
  std::error_code error;
  uint64_t size = std::filesystem::file_size(path, error);
  if (error)
    return diagnostics.error(code::unreadable,
                             "cannot read " + path + ": " + error.message());
  if (size > maxBytes)
    return diagnostics.error(code::unreadable, path + " has " +
                                                   std::to_string(size) +
                                                   " bytes; the limit is " +
                                                   std::to_string(maxBytes));
  std::ifstream stream(path, std::ios::binary);
  std::string text(size, '\0');
  if (!stream.read(text.data(), static_cast<std::streamsize>(size)))
    return diagnostics.error(code::unreadable, "cannot read " + path);
  return parseJsonObject(text, path, diagnostics);
}

const Json *moec::importer::at(const Json &root, std::string_view path) {
  const Json *value = &root;
  while (true) {
    if (!value->is_object())
      return nullptr;
    size_t dot = path.find('.');
    auto it = value->find(std::string(path.substr(0, dot)));
    if (it == value->end())
      return nullptr;
    value = &*it;
    if (dot == std::string_view::npos)
      return value;
    path.remove_prefix(dot + 1);
  }
}

std::string moec::importer::toText(const Json &json) {
  constexpr size_t limit = 80;
  std::string text =
      json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (text.size() > limit)
    text = text.substr(0, limit - 3) + "...";
  return text;
}

bool moec::importer::toValue(const Json &json, Datum &value) {
  switch (json.type()) {
  case Json::value_t::null:
    value = Null();
    return true;
  case Json::value_t::boolean:
    value = json.get<bool>();
    return true;
  case Json::value_t::number_integer:
    value = json.get<int64_t>();
    return true;
  case Json::value_t::number_unsigned: {
    uint64_t number = json.get<uint64_t>();
    value = static_cast<int64_t>(number);
    return number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  }
  case Json::value_t::number_float:
    value = json.get<double>();
    return true;
  case Json::value_t::string:
    value = json.get<std::string>();
    return true;
  case Json::value_t::array: {
    std::vector<Datum> items(json.size());
    for (size_t i = 0; i < items.size(); ++i)
      if (!toValue(json[i], items[i]))
        return false;
    value = std::make_shared<const std::vector<Datum>>(std::move(items));
    return true;
  }
  default:
    return false;
  }
}
