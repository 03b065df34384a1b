//===- MoeWords.cpp - A routing in words ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Moe/Moe.h"

#include "llvm/Support/Format.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;

static auto plain(double value) { return llvm::format("%g", value); }

static void sayScore(raw_ostream &os, RoutingAttr r, const RoutingInputs &in) {
  if (double cap = RoutingAttr::valueOr(r.getSoftcap(), 0))
    os << "logits capped at " << plain(cap) << ", ";
  os << stringifyScore(r.getScore());
  if (r.getScope() == Scope::Selected)
    os << " over the selected";
  if (r.getScope() == Scope::Window)
    os << " in a window of " << plain(r.getWindow().getValueAsDouble())
       << (r.getWindowBy() == WindowBy::Signed ? "" : " by magnitude");
  if (in.eligible)
    os << ", among eligible experts";
  if (in.classId)
    os << ", among the experts of a class";
  if (in.bias)
    os << ", bias on selection";
  if (r.getSelectOn() == Source::Logit && r.getScope() == Scope::All &&
      r.getScore() != Score::Softmax && r.getScore() != Score::Identity)
    os << ", selected by logit";
}

static void saySelection(raw_ostream &os, RoutingAttr r,
                         const RoutingInputs &in) {
  if (r.getGroups() > 1 && r.getGroupQuota())
    os << ", " << r.getGroupQuota() << " of each of " << r.getGroups()
       << " groups";
  else if (r.getGroups() > 1 && r.getGroupKeep())
    os << ", " << r.getGroupKeep() << " of " << r.getGroups() << " groups by "
       << (r.getGroupReduce() == GroupReduce::Max ? "maximum" : "top-2 sum")
       << (r.getGroupFill() == GroupFill::Zero ? " (others 0)" : "");
  double threshold = RoutingAttr::valueOr(r.getThreshold(), 0);
  switch (r.getPolicy()) {
  case Policy::TopK:
    os << ", top-" << r.getK();
    break;
  case Policy::TopP:
    os << ", top-p " << plain(threshold) << ", at most " << r.getK();
    break;
  case Policy::Threshold:
    os << ", above " << plain(threshold) << ", at most " << r.getK();
    break;
  case Policy::SequentialMasked:
    os << ", " << r.getK() << " masked rounds";
    if (r.getThreshold())
      os << " up to a mass of " << plain(threshold);
    break;
  case Policy::Table:
    os << ", " << r.getK() << " from a table";
    break;
  case Policy::Dense:
    os << ", all experts";
    break;
  case Policy::ExpertChoice:
    os << ", chosen by the experts";
    break;
  }
  if (in.tokenK)
    os << ", number by token";
}

static void sayWeights(raw_ostream &os, RoutingAttr r,
                       const RoutingInputs &in) {
  if (r.getWeightFrom() == Source::Logit && r.getScope() == Scope::All)
    os << ", weighed by logit";
  if (r.getNullExperts())
    os << ", " << r.getNullExperts() << " null experts"
       << (r.getNullBeforeNorm() ? " before the norm" : "");
  if (r.getRenorm() == Renorm::Sum)
    os << ", renormalised";
  else if (r.getRenorm() == Renorm::Lp)
    os << ", renormalised by L" << plain(RoutingAttr::valueOr(r.getLp(), 1));
  else if (r.getRenorm() != Renorm::None)
    os << ", renormalised by " << stringifyRenorm(r.getRenorm());
  if (r.getSharedExperts())
    os << " with " << r.getSharedExperts() << " shared experts";
  if (r.scaleValue() != 1.0)
    os << ", times " << plain(r.scaleValue());
  if (in.expertScale)
    os << ", times a scale for each expert";
}

static void sayCapacity(raw_ostream &os, RoutingAttr r) {
  if (!r.getCapacity())
    return;
  os << ", capacity " << plain(r.getCapacity().getValueAsDouble()) << " "
     << stringifyCapacityUnit(r.getCapacityUnit());
  if (r.getCapacityScope() == CapacityScope::Sequence)
    os << " per sequence";
  if (r.getPriority() == Priority::Prob)
    os << " by weight";
  if (r.getRenormAfterDrop())
    os << " before the norm";
}

std::string RoutingAttr::inWords(const RoutingInputs &inputs) const {
  std::string out;
  llvm::raw_string_ostream os(out);
  sayScore(os, *this, inputs);
  saySelection(os, *this, inputs);
  sayWeights(os, *this, inputs);
  sayCapacity(os, *this);
  if (inputs.alias) {
    int32_t most = *llvm::max_element(inputs.alias.asArrayRef());
    os << ", aliases of " << most + 1 << " experts"
       << (getDedupe() == Dedupe::Sum ? ", summed" : "");
  }
  return out;
}
