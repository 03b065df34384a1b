//===- Json.cpp - JSON from strangers -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the document from nlohmann's callbacks, because its own parser takes
// the last of two equal keys and any depth.
//
//===----------------------------------------------------------------------===//

#include "lib/Runtime/Json.h"

#include <algorithm>

namespace moec::runtime {

namespace {

class Builder final : public nlohmann::json_sax<Json> {
public:
  explicit Builder(size_t depth) : most(depth) {}

  Json root;
  std::string problem;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t &) override {
    return put(value);
  }
  bool string(string_t &value) override { return put(std::move(value)); }
  bool binary(binary_t &) override { return stop("binary value"); }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &name) override {
    auto [place, isNew] = openOnes.back()->get_ref<Json::object_t &>().emplace(
        std::move(name), nullptr);
    if (!isNew)
      return stop("the key " + inQuotes(place->first) + " occurs twice");
    member = &place->second;
    return true;
  }

  bool parse_error(std::size_t at, const std::string &,
                   const nlohmann::detail::exception &error) override {
    // Without the last token, which can be as long as the document, and
    // without the prefix that names nlohmann's exception.
    std::string_view what = error.what();
    what = what.substr(0, what.find("; last read"));
    if (size_t colon = what.find(": "); colon != what.npos)
      what.remove_prefix(colon + 2);
    return stop("not JSON at byte " + std::to_string(at) + ": " +
                std::string(what.substr(0, 200)));
  }

private:
  size_t most;
  std::vector<Json *> openOnes;
  Json *member = nullptr;

  bool stop(std::string what) {
    problem = std::move(what);
    return false;
  }

  /// Places a value where the document is at and returns its place.
  Json *place(Json &&value) {
    if (openOnes.empty()) {
      root = std::move(value);
      return &root;
    }
    if (openOnes.back()->is_array()) {
      auto &elements = openOnes.back()->get_ref<Json::array_t &>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    *member = std::move(value);
    return member;
  }

  template <typename T> bool put(T &&value) {
    place(Json(std::forward<T>(value)));
    return true;
  }

  bool open(Json &&value) {
    if (openOnes.size() >= most)
      return stop("nested deeper than " + std::to_string(most) + " levels");
    openOnes.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    openOnes.pop_back();
    return true;
  }
};

} // namespace

Result<Json> parseJson(std::string_view bytes, std::string_view file,
                       moec_code code, JsonLimits limits) {
  std::string prefix = std::string(file) + ": ";
  if (bytes.size() > limits.bytes)
    return Status(code, prefix + "has " + std::to_string(bytes.size()) +
                            " bytes, the limit is " +
                            std::to_string(limits.bytes));
  Builder builder(limits.depth);
  if (!Json::sax_parse(bytes.begin(), bytes.end(), &builder))
    return Status(code, prefix + builder.problem);
  return std::move(builder.root);
}

std::string describe(const Json &value) {
  if (value.is_string())
    return inQuotes(value.get_ref<const std::string &>());
  if (value.is_object())
    return "an object";
  if (value.is_array())
    return "an array of " + std::to_string(value.size());
  return value.dump();
}

void JsonErrors::fail(moec_code kind, std::string_view where,
                      std::string_view what) {
  if (!first.ok())
    return;
  std::string message = file + ": ";
  if (!where.empty())
    message.append(where).append(": ");
  first = Status(kind, message.append(what));
}

JsonObject::JsonObject(const Json &value, std::string path, JsonErrors &errors)
    : value(&value), path(std::move(path)), sink(errors) {
  static const Json empty = Json::object();
  if (!value.is_object()) {
    sink.fail(this->path, "expected an object, found " + describe(value));
    this->value = &empty;
  }
}

std::string JsonObject::where(std::string_view name) const {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string JsonObject::where(const char *name, size_t index) const {
  return where(name) + "[" + std::to_string(index) + "]";
}

const Json *JsonObject::optional(const char *name) {
  known.push_back(name);
  auto place = value->find(name);
  return place == value->end() ? nullptr : &*place;
}

const Json *JsonObject::field(const char *name) {
  const Json *found = optional(name);
  if (!found)
    sink.fail(where(name), "missing");
  return found;
}

uint64_t JsonObject::number(const char *name, uint64_t least, uint64_t most) {
  const Json *found = field(name);
  return found ? jsonNumber(*found, where(name), least, most, sink) : least;
}

std::string JsonObject::text(const char *name) {
  const Json *found = field(name);
  return found ? jsonText(*found, where(name), sink) : std::string();
}

bool JsonObject::flag(const char *name) {
  const Json *found = field(name);
  if (found && !found->is_boolean())
    sink.fail(where(name), "expected true or false, found " + describe(*found));
  return found && found->is_boolean() && found->get<bool>();
}

JsonObject JsonObject::object(const char *name) {
  static const Json empty = Json::object();
  const Json *found = field(name);
  return JsonObject(found ? *found : empty, where(name), sink);
}

const std::vector<Json> &JsonObject::array(const char *name, size_t most) {
  static const std::vector<Json> empty;
  const Json *found = field(name);
  if (!found)
    return empty;
  if (!found->is_array() || found->size() > most) {
    sink.fail(where(name), "expected an array of at most " +
                               std::to_string(most) + " elements, found " +
                               describe(*found));
    return empty;
  }
  return found->get_ref<const Json::array_t &>();
}

void JsonObject::refuseOthers() {
  for (const auto &[name, unused] : value->get_ref<const Json::object_t &>())
    if (std::find(known.begin(), known.end(), name) == known.end())
      sink.fail(path, "unknown field " + inQuotes(name));
}

uint64_t jsonNumber(const Json &value, const std::string &where, uint64_t least,
                    uint64_t most, JsonErrors &errors) {
  if (value.is_number_unsigned()) {
    uint64_t number = value.get<uint64_t>();
    if (number >= least && number <= most)
      return number;
  }
  errors.fail(where, "expected an integer from " + std::to_string(least) +
                         " to " + std::to_string(most) + ", found " +
                         describe(value));
  return least;
}

std::string jsonText(const Json &value, const std::string &where,
                     JsonErrors &errors) {
  if (value.is_string())
    return value.get_ref<const std::string &>();
  errors.fail(where, "expected a string, found " + describe(value));
  return std::string();
}

} // namespace moec::runtime
