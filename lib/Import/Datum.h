//===- Datum.h - The values of a family file's language ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers, strings, lists, functions by name, and objects: what only the host
// of a program understands (rows of activations, for example).
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_DATUM_H
#define MOEC_LIB_IMPORT_DATUM_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace moec::importer {

/// Something that the host made and that programs can only pass around.
class Object {
public:
  enum class Kind { Rows, Routing, RopeTable, StoredTensor, ExpertRange };

  explicit Object(Kind kind) : objectKind(kind) {}
  virtual ~Object() = default;
  Kind kind() const { return objectKind; }

private:
  Kind objectKind;
};

struct Datum;

struct Null {
  bool operator==(const Null &) const = default;
};
struct FunctionName {
  std::string name;
};
using List = std::shared_ptr<const std::vector<Datum>>;
using ObjectRef = std::shared_ptr<const Object>;

struct Datum : std::variant<Null, bool, int64_t, double, std::string, List,
                            FunctionName, ObjectRef> {
  using variant::variant;

  template <typename T> const T *as() const { return std::get_if<T>(this); }
  bool isNull() const { return as<Null>(); }
  bool isNumber() const { return as<int64_t>() || as<double>(); }
  bool isObject() const { return as<ObjectRef>(); }
  /// Of an int or a float.
  double number() const {
    return as<int64_t>() ? static_cast<double>(*as<int64_t>()) : *as<double>();
  }
};

/// The equality of the language: numbers by value, null only to itself, and
/// never an error. Functions and objects equal nothing.
bool isEqual(const Datum &a, const Datum &b);

/// "an integer", "a list", "rows of activations".
std::string_view describe(const Datum &value);

/// The value as one would write it, for messages.
std::string toText(const Datum &value);

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_DATUM_H
