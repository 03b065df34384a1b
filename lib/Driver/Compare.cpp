//===- Compare.cpp - An artifact's values against the reference -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Compare.h"
#include "lib/Driver/Console.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace moec;
using namespace moec::driver;

namespace {
class Comparer {
public:
  Comparer(const Recorded &reference, const Recorded &artifact,
           const CompareOptions &options)
      : reference(reference), artifact(artifact), options(options) {}

  std::vector<Comparison> run() {
    std::vector<Comparison> result;
    for (const std::string &name : reference.order) {
      auto found = artifact.values.find(name);
      if (found == artifact.values.end())
        continue;
      const Rows &expected = reference.values.at(name);
      Comparison comparison;
      comparison.name = name;
      if (expected.rows != found->second.rows ||
          expected.width() != found->second.width())
        comparison.mismatch = shapes(expected, found->second);
      else if (expected.ints.empty())
        compareReals(expected, found->second, comparison);
      else if (name.ends_with(".experts"))
        compareExperts(expected, found->second, comparison);
      else
        compareIntegers(expected, found->second, comparison);
      result.push_back(std::move(comparison));
    }
    return result;
  }

private:
  static std::string shapes(const Rows &expected, const Rows &actual) {
    return format("is [%lld, %lld], the reference has [%lld, %lld]",
                  (long long)actual.rows, (long long)actual.width(),
                  (long long)expected.rows, (long long)expected.width());
  }

  bool isComparable(int64_t token) const {
    bool isTied = token < int64_t(tied.size()) && tied[token];
    return token < firstTainted && !isTied;
  }

  void compareReals(const Rows &expected, const Rows &actual,
                    Comparison &comparison);
  void compareExperts(const Rows &expected, const Rows &actual,
                      Comparison &comparison);
  void compareIntegers(const Rows &expected, const Rows &actual,
                       Comparison &comparison);
  std::string gapText(const std::string &tap, int64_t token,
                      const std::vector<int32_t> &got, bool &isTie) const;

  const Recorded &reference;
  const Recorded &artifact;
  const CompareOptions &options;
  std::vector<bool> tied = std::vector<bool>(
      reference.values.empty() ? 0 : reference.values.begin()->second.rows);
  /// Tokens from here on have attended to one with other experts.
  int64_t firstTainted = std::numeric_limits<int64_t>::max();
};
} // namespace

void Comparer::compareReals(const Rows &expected, const Rows &actual,
                            Comparison &comparison) {
  double difference = 0, norm = 0, largestValue = 0;
  int64_t width = expected.width(), worst = 0;
  bool finite = true;
  for (int64_t token = 0; token < expected.rows; ++token) {
    if (!isComparable(token))
      continue;
    ++comparison.rows;
    for (int64_t i = token * width; i < (token + 1) * width; ++i) {
      double e = expected.reals[i], a = actual.reals[i], d = a - e;
      // What is no number by definition, or infinite, is so rightly.
      if (a == e || (std::isnan(a) && std::isnan(e)))
        d = 0;
      if (!std::isfinite(e) && d == 0)
        continue;
      finite &= std::isfinite(d);
      difference += d * d;
      norm += e * e;
      largestValue = std::max(largestValue, std::abs(e));
      if (!(std::abs(d) <= comparison.largest)) {
        comparison.largest = std::abs(d);
        worst = i;
      }
    }
  }
  comparison.frobenius =
      norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  if (finite && comparison.frobenius <= options.tolerance &&
      comparison.largest <= 10 * options.tolerance * largestValue)
    return;
  comparison.mismatch = format(
      "relative error %.3g, at most %.3g; largest at token %lld, element %lld: "
      "%.9g, the reference has %.9g",
      comparison.frobenius, options.tolerance, (long long)(worst / width),
      (long long)(worst % width), actual.reals[worst], expected.reals[worst]);
}

static std::vector<int32_t> sortedRow(const Rows &rows, int64_t token) {
  auto begin = rows.ints.begin() + token * rows.width();
  std::vector<int32_t> row(begin, begin + rows.width());
  std::sort(row.begin(), row.end());
  return row;
}

static std::string listText(const std::vector<int32_t> &list) {
  std::string text;
  for (int32_t item : list)
    text += (text.empty() ? "" : " ") + std::to_string(item);
  return text;
}

/// Whether the reference could as well have chosen `got`, and how near it was.
std::string Comparer::gapText(const std::string &tap, int64_t token,
                              const std::vector<int32_t> &got,
                              bool &isTie) const {
  isTie = false;
  auto found = reference.margins.find(tap);
  if (found == reference.margins.end())
    return "";
  auto [gap, largest] = found->second(token, got);
  if (std::isinf(gap))
    return "; no logits near its own choose so";
  double bound = (options.narrow ? 0x1p-7 : 1e-5) * largest;
  isTie = gap < bound;
  return format("; the gap of keys is %.3g, a tie is below %.3g", gap, bound);
}

void Comparer::compareExperts(const Rows &expected, const Rows &actual,
                              Comparison &comparison) {
  int64_t tainted = firstTainted;
  for (int64_t token = 0; token < expected.rows; ++token) {
    if (!isComparable(token))
      continue;
    ++comparison.rows;
    std::vector<int32_t> wanted = sortedRow(expected, token);
    std::vector<int32_t> got = sortedRow(actual, token);
    if (wanted == got)
      continue;
    bool isTie = false;
    std::string gap = gapText(comparison.name, token, got, isTie);
    if (isTie) {
      ++comparison.ties;
      tied[token] = true;
      if (!options.narrow)
        tainted = std::min(tainted, token);
      continue;
    }
    if (comparison.mismatch.empty())
      comparison.mismatch =
          format("token %lld goes to experts %s, by the reference to %s%s",
                 (long long)token, listText(got).c_str(),
                 listText(wanted).c_str(), gap.c_str());
  }
  firstTainted = tainted;
}

void Comparer::compareIntegers(const Rows &expected, const Rows &actual,
                               Comparison &comparison) {
  for (int64_t row = 0; row < expected.rows; ++row) {
    if (!isComparable(row))
      continue;
    ++comparison.rows;
    for (int64_t i = 0; i < expected.width(); ++i) {
      int32_t wanted = expected.ints[row * expected.width() + i];
      int32_t got = actual.ints[row * expected.width() + i];
      if (wanted != got && comparison.mismatch.empty())
        comparison.mismatch =
            format("row %lld, element %lld: %d, the reference has %d",
                   (long long)row, (long long)i, got, wanted);
    }
  }
}

std::vector<Comparison> driver::compareValues(const Recorded &reference,
                                              const Recorded &artifact,
                                              const CompareOptions &options) {
  return Comparer(reference, artifact, options).run();
}
