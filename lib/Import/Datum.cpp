//===- Datum.cpp - The values of a family file's language -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Equality and text of values.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/Datum.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace moec::importer;

bool moec::importer::isEqual(const Datum &a, const Datum &b) {
  if (a.isNumber() && b.isNumber()) {
    if (a.as<int64_t>() && b.as<int64_t>())
      return *a.as<int64_t>() == *b.as<int64_t>();
    return a.number() == b.number();
  }
  if (a.index() != b.index())
    return false;
  if (a.isNull())
    return true;
  if (const bool *truth = a.as<bool>())
    return *truth == *b.as<bool>();
  if (const auto *text = a.as<std::string>())
    return *text == *b.as<std::string>();
  if (const List *list = a.as<List>())
    return std::equal((*list)->begin(), (*list)->end(),
                      (*b.as<List>())->begin(), (*b.as<List>())->end(),
                      isEqual);
  return false;
}

std::string_view moec::importer::describe(const Datum &value) {
  struct Describe {
    std::string_view operator()(Null) const { return "null"; }
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(int64_t) const { return "an integer"; }
    std::string_view operator()(double) const { return "a number"; }
    std::string_view operator()(const std::string &) const {
      return "a string";
    }
    std::string_view operator()(const List &) const { return "a list"; }
    std::string_view operator()(const FunctionName &) const {
      return "a function";
    }
    std::string_view operator()(const ObjectRef &object) const {
      switch (object->kind()) {
      case Object::Kind::Rows:
        return "rows of activations";
      case Object::Kind::Routing:
        return "a routing";
      case Object::Kind::RopeTable:
        return "a rotary table";
      case Object::Kind::StoredTensor:
        return "a tensor of the checkpoint";
      case Object::Kind::ExpertRange:
        return "a range of experts";
      }
      return "an object";
    }
  };
  return std::visit(Describe(), static_cast<const Datum::variant &>(value));
}

std::string moec::importer::toText(const Datum &value) {
  if (const bool *truth = value.as<bool>())
    return *truth ? "true" : "false";
  if (const int64_t *number = value.as<int64_t>())
    return std::to_string(*number);
  if (const double *number = value.as<double>())
    return nlohmann::json(*number).dump();
  if (const auto *text = value.as<std::string>())
    return "'" + *text + "'";
  if (const auto *function = value.as<FunctionName>())
    return function->name;
  if (const List *list = value.as<List>()) {
    std::string out = "[";
    for (const Datum &item : **list)
      out += (out.size() > 1 ? ", " : "") + toText(item);
    return out + "]";
  }
  return std::string(describe(value));
}
