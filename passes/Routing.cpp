//===- Routing.cpp - What lowerings ask of a routing pipeline -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Routing.h"

using namespace moec;
using namespace moec::moe;

RoutingStages::RoutingStages(RoutingAttr routing, bool hasBias) {
  bool selected = routing.getScope() == Scope::Selected;
  // Scores over the selected exist only after the selection.
  keysFromScores =
      hasBias && !selected && routing.getSelectOn() == Source::Score;
  weightsFromScores = routing.getWeightFrom() == Source::Score;
  softmaxOfSelected = selected && routing.getScore() == Score::Softmax;
}

llvm::StringRef moec::routingWithoutLowering(RoutingAttr routing) {
  if (routing.getPolicy() != Policy::TopK)
    return "policy = topk";
  if (routing.getScore() != Score::Softmax &&
      routing.getScore() != Score::Sigmoid)
    return "score = softmax or sigmoid";
  if (routing.getScope() == Scope::Window)
    return "scope = all or selected";
  if (RoutingAttr::valueOr(routing.getSoftcap(), 0.0) != 0.0)
    return "no softcap";
  bool allGroups =
      routing.getGroups() == 1 || routing.getGroupKeep() == routing.getGroups();
  if (!allGroups || routing.getGroupQuota())
    return "one group of all experts";
  if (routing.getNullExperts())
    return "no null experts";
  if (routing.getRenorm() != Renorm::None && routing.getRenorm() != Renorm::Sum)
    return "renorm = none or sum";
  return "";
}
