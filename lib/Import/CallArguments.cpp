//===- CallArguments.cpp - Arguments of a host's function -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A null argument is as good as a missing one, as in configurations.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/CallArguments.h"

#include <algorithm>

using namespace moec::importer;

CallArguments::CallArguments(std::string function,
                             std::initializer_list<const char *> parameters,
                             Arguments arguments, Evaluator &evaluator)
    : callee(std::move(function)), evaluator(evaluator) {
  if (arguments.positional.size() > parameters.size())
    fail("takes " + std::to_string(parameters.size()) + " arguments, got " +
         std::to_string(arguments.positional.size()));
  auto parameter = parameters.begin();
  for (Datum &value : arguments.positional)
    if (parameter != parameters.end())
      values[*parameter++] = std::move(value);
  for (auto &[name, value] : arguments.named) {
    bool known = std::find(parameters.begin(), parameters.end(), name) !=
                 parameters.end();
    if (!known)
      fail("has no parameter '" + name + "'");
    else if (!values.emplace(name, std::move(value)).second)
      fail("got '" + name + "' twice");
  }
}

std::nullopt_t CallArguments::fail(const std::string &message) {
  if (!hasFailed)
    evaluator.fail(callee + "() " + message);
  hasFailed = true;
  return std::nullopt;
}

const Datum *CallArguments::find(const char *name) const {
  auto it = values.find(name);
  return it == values.end() || it->second.isNull() ? nullptr : &it->second;
}

template <typename T>
std::optional<T> CallArguments::get(const char *name, const char *what,
                                    bool needed) {
  const Datum *value = find(name);
  if (!value && !needed)
    return std::nullopt;
  if (value)
    if (const T *held = value->as<T>())
      return *held;
  return fail("needs " + std::string(what) + " as '" + name + "', got " +
              (value ? toText(*value) : "nothing"));
}

int64_t CallArguments::integer(const char *name) {
  return get<int64_t>(name, "an integer", true).value_or(1);
}

int64_t CallArguments::integer(const char *name, int64_t fallback) {
  return get<int64_t>(name, "an integer", false).value_or(fallback);
}

std::optional<int64_t> CallArguments::maybeInteger(const char *name) {
  return get<int64_t>(name, "an integer", false);
}

std::optional<double> CallArguments::maybeNumber(const char *name) {
  const Datum *value = find(name);
  if (!value)
    return std::nullopt;
  if (value->isNumber())
    return value->number();
  return fail("needs a number as '" + std::string(name) + "', got " +
              toText(*value));
}

double CallArguments::number(const char *name) {
  if (!find(name))
    fail("needs a number as '" + std::string(name) + "', got nothing");
  return maybeNumber(name).value_or(1);
}

std::vector<double> CallArguments::numbersIn(const char *name,
                                             const List &list) {
  std::vector<double> result;
  for (const Datum &each : *list) {
    if (!each.isNumber())
      fail("needs a list of numbers as '" + std::string(name) + "', got " +
           toText(each) + " in it");
    result.push_back(each.isNumber() ? each.number() : 1);
  }
  return result;
}

std::vector<double> CallArguments::numbers(const char *name) {
  auto list = get<List>(name, "a list of numbers", false);
  return list ? numbersIn(name, *list) : std::vector<double>();
}

std::vector<std::vector<double>> CallArguments::numberLists(const char *name) {
  std::vector<std::vector<double>> result;
  const Datum *value = find(name);
  const List *lists = value ? value->as<List>() : nullptr;
  if (!lists)
    return result;
  for (const Datum &each : **lists)
    if (const List *list = each.as<List>())
      result.push_back(numbersIn(name, *list));
    else
      fail("needs a list of lists of numbers as '" + std::string(name) +
           "', got " + toText(each) + " in it");
  return result;
}

std::string CallArguments::text(const char *name) {
  return get<std::string>(name, "a string", true).value_or("");
}

std::string CallArguments::text(const char *name, const char *fallback) {
  return get<std::string>(name, "a string", false).value_or(fallback);
}

std::optional<std::string> CallArguments::maybeText(const char *name) {
  return get<std::string>(name, "a string", false);
}

bool CallArguments::boolean(const char *name, bool fallback) {
  return get<bool>(name, "a boolean", false).value_or(fallback);
}

std::string CallArguments::function(const char *name) {
  return get<FunctionName>(name, "a function", true)
      .value_or(FunctionName{})
      .name;
}

StoredTensor CallArguments::tensorOf(const Datum *value, const char *name,
                                     const char *suffix) {
  const ObjectRef *object = value ? value->as<ObjectRef>() : nullptr;
  if (object && (*object)->kind() == Object::Kind::StoredTensor)
    return static_cast<const StoredTensor &>(**object);
  const auto *text = value ? value->as<std::string>() : nullptr;
  if (!text)
    fail("needs a string as '" + std::string(name) + "', got " +
         (value ? toText(*value) : "nothing"));
  StoredTensor plain(text ? *text : "");
  plain.bias = plain.name + ".bias";
  plain.name += suffix;
  return plain;
}

StoredTensor CallArguments::tensor(const char *name, const char *suffix) {
  return tensorOf(find(name), name, suffix);
}

List CallArguments::listOf(const char *name, const char *what) {
  const Datum *value = find(name);
  const List *list = value ? value->as<List>() : nullptr;
  if (list && (*list)->empty())
    fail("needs " + std::string(what) + " as '" + name +
         "', got an empty list");
  if (list)
    return *list;
  std::vector<Datum> one;
  if (value)
    one.push_back(*value);
  else
    fail("needs " + std::string(what) + " as '" + name + "', got nothing");
  return std::make_shared<const std::vector<Datum>>(std::move(one));
}

std::vector<StoredTensor> CallArguments::tensors(const char *name,
                                                 const char *suffix) {
  std::vector<StoredTensor> result;
  List list = listOf(name, "a string");
  for (const Datum &each : *list)
    result.push_back(tensorOf(&each, name, suffix));
  return result;
}

std::vector<int64_t> CallArguments::integers(const char *name) {
  std::vector<int64_t> result;
  List list = listOf(name, "an integer");
  for (const Datum &each : *list) {
    const auto *integer = each.as<int64_t>();
    if (!integer)
      fail("needs an integer as '" + std::string(name) + "', got " +
           toText(each));
    result.push_back(integer ? *integer : 1);
  }
  return result;
}

bool CallArguments::isNull(const char *name) const {
  const Datum *value = find(name);
  return !value || value->isNull();
}

std::optional<StoredTensor> CallArguments::maybeTensor(const char *name,
                                                       const char *suffix) {
  if (!find(name))
    return std::nullopt;
  return tensor(name, suffix);
}

bool CallArguments::isList(const char *name) const {
  const Datum *value = find(name);
  return value && value->as<List>();
}

std::vector<ObjectRef>
CallArguments::objects(const char *name, Object::Kind kind, const char *what) {
  std::vector<ObjectRef> result;
  auto list = get<List>(name, what, true);
  if (!list)
    return result;
  for (const Datum &each : **list) {
    const ObjectRef *object = each.as<ObjectRef>();
    if (object && (*object)->kind() == kind)
      result.push_back(*object);
    else
      fail("needs " + std::string(what) + " as '" + name + "', got " +
           toText(each) + " in it");
  }
  return result;
}

const Object *CallArguments::object(const char *name, Object::Kind kind,
                                    const char *what) {
  auto held = get<ObjectRef>(name, what, true);
  if (!held)
    return nullptr;
  if ((*held)->kind() == kind)
    return find(name)->as<ObjectRef>()->get();
  fail("needs " + std::string(what) + " as '" + name + "', got " +
       std::string(describe(*find(name))));
  return nullptr;
}

RowsRef CallArguments::rowsOrNumber(const char *name) {
  const Datum *value = find(name);
  return value && value->isNumber() ? makeConstant(value->number())
                                    : rows(name);
}

RowsRef CallArguments::rows(const char *name) {
  const Object *rows = object(name, Object::Kind::Rows, "rows of activations");
  if (!rows)
    return nullptr;
  return std::static_pointer_cast<const Rows>(*find(name)->as<ObjectRef>());
}
