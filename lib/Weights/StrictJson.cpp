//===- StrictJson.cpp - JSON from strangers -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Adapts nlohmann's twelve callbacks to JsonReader's three.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/StrictJson.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace moec::weights {

namespace {

using Json = nlohmann::json;
using Kind = JsonValue::Kind;

/// What nlohmann says, without its prefix and without the token itself, which
/// can be as long as the document.
std::string reasonOf(std::string_view what) {
  size_t end = what.find("; last read");
  what = what.substr(0, end);
  size_t start = what.find(": ");
  if (start != std::string_view::npos)
    what.remove_prefix(start + 2);
  return std::string(what.substr(0, 200));
}

class Adapter final : public nlohmann::json_sax<Json> {
public:
  explicit Adapter(JsonReader &reader) : reader(reader) {}

  Status takeStatus() { return std::move(status); }

  bool null() override { return scalar({.kind = Kind::Null}); }
  bool boolean(bool) override { return scalar({.kind = Kind::Boolean}); }
  bool number_integer(number_integer_t) override {
    return scalar({.kind = Kind::OtherNumber});
  }
  bool number_unsigned(number_unsigned_t number) override {
    return scalar({.kind = Kind::Unsigned, .number = number});
  }
  bool number_float(number_float_t, const string_t &) override {
    return scalar({.kind = Kind::OtherNumber});
  }
  bool string(string_t &text) override {
    return scalar({.kind = Kind::String, .text = text});
  }
  bool binary(binary_t &) override {
    return keep(Status::failure(ErrorCode::JsonSyntax, "binary value"));
  }

  bool start_object(size_t) override { return open(Kind::Object); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return open(Kind::Array); }
  bool end_array() override { return leave(); }

  bool key(string_t &key) override {
    keys.push_back({keyText.size(), key.size()});
    keyText += key;
    return keep(reader.key(key));
  }

  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &error) override {
    return keep(Status::failure(ErrorCode::JsonSyntax,
                                "not valid JSON at byte " +
                                    std::to_string(position) + ": " +
                                    reasonOf(error.what())));
  }

private:
  bool keep(Status result) {
    status = std::move(result);
    return status.ok();
  }

  bool scalar(const JsonValue &value) { return keep(reader.value(value)); }

  bool open(Kind kind) {
    if (openedAt.size() == maxJsonDepth)
      return keep(Status::failure(
          ErrorCode::JsonTooDeep,
          "nested deeper than " + std::to_string(maxJsonDepth) + " levels"));
    openedAt.push_back(keys.size());
    return keep(reader.value({.kind = kind}));
  }

  bool leave() {
    Status unique = checkUnique(std::span(keys).subspan(openedAt.back()));
    if (!unique.ok())
      return keep(std::move(unique));
    if (keys.size() > openedAt.back())
      keyText.resize(keys[openedAt.back()].start);
    keys.resize(openedAt.back());
    openedAt.pop_back();
    return keep(reader.close());
  }

  /// A key's place in keyText.
  struct Key {
    size_t start, length;
  };

  std::string_view text(Key key) const {
    return std::string_view(keyText).substr(key.start, key.length);
  }

  /// Sorts rather than hashes: nobody can choose keys that make it slow.
  Status checkUnique(std::span<const Key> ofObject) const {
    if (ofObject.size() < 2)
      return {};
    std::vector<std::string_view> sorted;
    sorted.reserve(ofObject.size());
    for (Key key : ofObject)
      sorted.push_back(text(key));
    std::sort(sorted.begin(), sorted.end());
    auto twin = std::adjacent_find(sorted.begin(), sorted.end());
    if (twin == sorted.end())
      return {};
    return Status::failure(ErrorCode::JsonDuplicateKey,
                           "key " + inQuotes(*twin) +
                               " appears twice in one object");
  }

  JsonReader &reader;
  Status status;
  /// The keys of all open objects, outermost first, and for every open array
  /// and object how many of them lie outside it.
  std::string keyText;
  std::vector<Key> keys;
  std::vector<size_t> openedAt;
};

} // namespace

std::string_view JsonValue::describe() const {
  switch (kind) {
  case Kind::Null:
    return "null";
  case Kind::Boolean:
    return "a boolean";
  case Kind::Unsigned:
    return "an unsigned integer";
  case Kind::OtherNumber:
    return "a number that is not an unsigned 64-bit integer";
  case Kind::String:
    return "a string";
  case Kind::Array:
    return "an array";
  case Kind::Object:
    return "an object";
  }
  return "a value";
}

Status readStrictJson(std::string_view text, JsonReader &reader) {
  size_t nul = text.find('\0');
  if (nul != std::string_view::npos)
    return Status::failure(ErrorCode::JsonSyntax, "not valid JSON at byte " +
                                                      std::to_string(nul) +
                                                      ": NUL byte");
  Adapter adapter(reader);
  Json::sax_parse(text.data(), text.data() + text.size(), &adapter);
  return adapter.takeStatus();
}

} // namespace moec::weights
