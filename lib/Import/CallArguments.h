//===- CallArguments.h - Arguments of a host's function ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Binds the arguments of a call to parameters and takes them out by type. The
// first wrong one is reported and makes the whole call fail; until the caller
// asks failed(), it gets harmless values.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_CALLARGUMENTS_H
#define MOEC_LIB_IMPORT_CALLARGUMENTS_H

#include "lib/Import/Elementwise.h"
#include "lib/Import/Evaluator.h"
#include "lib/Import/StoredTensor.h"

namespace moec::importer {

class CallArguments {
public:
  CallArguments(std::string function,
                std::initializer_list<const char *> parameters,
                Arguments arguments, Evaluator &evaluator);

  bool failed() const { return hasFailed; }
  std::nullopt_t fail(const std::string &message);

  RowsRef rows(const char *name);
  /// The same, where a number stands for rows that all have it.
  RowsRef rowsOrNumber(const char *name);
  int64_t integer(const char *name);
  int64_t integer(const char *name, int64_t fallback);
  std::optional<int64_t> maybeInteger(const char *name);
  double number(const char *name);
  std::optional<double> maybeNumber(const char *name);
  /// A list; empty without one.
  std::vector<double> numbers(const char *name);
  std::vector<std::vector<double>> numberLists(const char *name);
  std::string text(const char *name);
  std::string text(const char *name, const char *fallback);
  std::optional<std::string> maybeText(const char *name);
  bool boolean(const char *name, bool fallback);
  std::string function(const char *name);
  /// A tensor of the checkpoint: tensor(), or a name, which `suffix` completes.
  StoredTensor tensor(const char *name, const char *suffix);
  std::optional<StoredTensor> maybeTensor(const char *name, const char *suffix);
  /// One, or a list of them.
  std::vector<StoredTensor> tensors(const char *name, const char *suffix);
  std::vector<int64_t> integers(const char *name);
  /// Whether it is missing or null.
  bool isNull(const char *name) const;
  /// A function, or else a list of objects of the wanted kind.
  bool isList(const char *name) const;
  std::vector<ObjectRef> objects(const char *name, Object::Kind kind,
                                 const char *what);
  /// An object of the wanted kind; null after a failure.
  const Object *object(const char *name, Object::Kind kind, const char *what);

private:
  template <typename T>
  std::optional<T> get(const char *name, const char *what, bool needed);
  const Datum *find(const char *name) const;
  std::vector<double> numbersIn(const char *name, const List &list);
  /// One value as what it is in a list of one.
  List listOf(const char *name, const char *what);
  StoredTensor tensorOf(const Datum *value, const char *name,
                        const char *suffix);

  std::string callee;
  Evaluator &evaluator;
  std::map<std::string, Datum> values;
  bool hasFailed = false;
};

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_CALLARGUMENTS_H
