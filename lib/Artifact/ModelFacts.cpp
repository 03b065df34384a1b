//===- ModelFacts.cpp - From attributes to the manifest -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One case for each kind of attribute that has a counterpart in JSON.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/ModelFacts.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace moec::artifact {

template <typename Range> static Json arrayOf(Range values) {
  Json json = Json::array();
  for (auto value : values)
    json.push_back(value);
  return json;
}

Json toJson(Attribute attribute) {
  return llvm::TypeSwitch<Attribute, Json>(attribute)
      .Case([](DictionaryAttr dictionary) {
        Json json = Json::object();
        for (NamedAttribute member : dictionary)
          json[member.getName().str()] = toJson(member.getValue());
        return json;
      })
      .Case([](ArrayAttr array) {
        Json json = Json::array();
        for (Attribute element : array)
          json.push_back(toJson(element));
        return json;
      })
      .Case([](DenseI64ArrayAttr array) { return arrayOf(array.asArrayRef()); })
      .Case([](DenseI32ArrayAttr array) { return arrayOf(array.asArrayRef()); })
      .Case([](DenseF64ArrayAttr array) { return arrayOf(array.asArrayRef()); })
      .Case([](StringAttr text) { return Json(text.str()); })
      .Case([](BoolAttr flag) { return Json(flag.getValue()); })
      .Case([](IntegerAttr number) { return Json(number.getInt()); })
      .Case([](FloatAttr number) { return Json(number.getValueAsDouble()); })
      .Default(Json());
}

} // namespace moec::artifact
