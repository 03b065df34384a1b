//===- RoutingBatch.cpp - Stages that look at many tokens -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problem: an expert keeps the C tokens of the largest weights (or keys), the
// earliest among equals, without a sort and without memory but the outputs.
//
// Idea: numbers as 32-bit integers of the same order. The C-th largest is found
// bit by bit from the top: a bit stays set when at least C numbers reach what
// is set so far. 32 passes over the step find it for all experts at once; then
// whatever lies above is kept, and as many of its equals as there is room for.
//
// With expert choice, the tasks of single tokens leave the keys of all experts
// as ids, and the task of an expert looks at its column alone.
//
//===----------------------------------------------------------------------===//

#include "passes/RoutingRows.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace moec;
using namespace moec::moe;
using Values = VectorBuilder::Values;

namespace {
class BatchStages {
public:
  BatchStages(VectorBuilder &b, const RoutingStages &stages, RoutingRows rows)
      : b(b), stages(stages), rows(rows), math(b), tokens(b.dim(rows.ids, 0)) {}

  void dropOverflow();
  void chooseTokens(Value expert);

private:
  using Predicate = arith::CmpIPredicate;
  using Scope = llvm::function_ref<void(Value from, Value to)>;
  using Choice = llvm::function_ref<void(Value token, Value slot)>;

  void forScopes(Scope body);
  Value capacity(Value count, bool light, bool roundUp);
  void fillCapacities(Value count);
  void forChoices(Value from, Value to, Value firstSlot, Value endSlot,
                  bool slotsFirst, Choice body);
  Value load(Value memref, Value token, Value slot) {
    return memref::LoadOp::create(b, memref, ValueRange{token, slot});
  }
  Value plus(Value value, Value condition) {
    Value one = arith::ExtUIOp::create(b, b.getI32Type(), condition);
    return arith::AddIOp::create(b, value, one);
  }
  Value buffer() {
    return memref::AllocaOp::create(
        b, MemRefType::get({stages.experts}, b.getI32Type()));
  }
  /// The integer of a key, in the order of unsigned integers.
  Value unsignedKey(Value key) {
    return arith::XOrIOp::create(b, key, b.i32(RoutingMath::kNoKey));
  }
  Value weightKey(Value token, Value slot) {
    return unsignedKey(
        math.integerKey(math.ordered(load(rows.weights, token, slot))));
  }
  void admitInOrder(Value from, Value to);
  void admitByWeight(Value from, Value to, Value firstSlot, Value endSlot);
  void findThresholds(Value from, Value to, Value firstSlot, Value endSlot);
  void keepIf(Value condition, Value id, Value token, Value slot);
  Value columnThreshold(Value expert, Value from, Value to, Value most);

  VectorBuilder &b;
  const RoutingStages &stages;
  RoutingRows rows;
  RoutingMath math;
  Value tokens;
  /// Of each expert: the tokens that it may still take; the least weight that
  /// it keeps; how many weights reach a number.
  Value left, threshold, count;
};
} // namespace

/// Runs the body for the tokens that share a capacity.
void BatchStages::forScopes(Scope body) {
  Value zero = b.index(0), one = b.index(1);
  if (!stages.routing.needsSequence())
    return body(zero, tokens);
  Value last = b.sub(tokens, one);
  b.forLoop(zero, tokens, 1, zero, [&](Value token, ValueRange carried) {
    Value next = b.add(token, one), sequence = stages.inputs.sequence;
    Value here = memref::LoadOp::create(b, sequence, token);
    Value there = memref::LoadOp::create(b, sequence, b.min(next, last));
    Value ends = arith::OrIOp::create(b, b.compare(Predicate::eq, token, last),
                                      b.compare(Predicate::ne, here, there));
    b.ifThen(ends, [&] { body(carried[0], next); });
    return Values{arith::SelectOp::create(b, ends, next, carried[0])};
  });
}

/// What an expert may take of `count` tokens, as i32.
Value BatchStages::capacity(Value count, bool light, bool roundUp) {
  RoutingAttr r = stages.routing;
  auto number = [&](double value) -> Value {
    return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
  };
  double capacity = r.getCapacity().getValueAsDouble();
  Value result = number(std::floor(capacity));
  if (r.getCapacityUnit() != CapacityUnit::Tokens) {
    double parts = 1;
    if (r.getCapacityUnit() == CapacityUnit::Factor)
      parts = static_cast<double>(stages.experts);
    if (int64_t lightExperts = r.getLightExperts()) {
      double share = r.getLightShare().getValueAsDouble();
      parts = share * static_cast<double>(stages.experts - lightExperts) +
              static_cast<double>(lightExperts);
      if (!light)
        capacity = share * capacity;
    }
    Value wide = arith::IndexCastOp::create(b, b.getI64Type(), count);
    Value real = arith::SIToFPOp::create(b, b.getF64Type(), wide);
    result = arith::MulFOp::create(b, number(capacity), real);
    if (parts != 1)
      result = arith::DivFOp::create(b, result, number(parts));
    result = roundUp ? math::CeilOp::create(b, result).getResult()
                     : math::FloorOp::create(b, result).getResult();
  }
  double least = static_cast<double>(r.getCapacityMin());
  if (!roundUp)
    least = std::max(least, 1.0);
  constexpr double most = 1 << 30;
  auto select = [&](arith::CmpFPredicate predicate, double bound) {
    Value limit = number(bound);
    Value within = arith::CmpFOp::create(b, predicate, result, limit);
    result = arith::SelectOp::create(b, within, result, limit);
  };
  select(arith::CmpFPredicate::OGT, std::min(least, most));
  select(arith::CmpFPredicate::OLT, most);
  return arith::FPToSIOp::create(b, b.getI32Type(), result);
}

void BatchStages::fillCapacities(Value count) {
  int64_t heavy = stages.experts - stages.routing.getLightExperts();
  auto fill = [&](int64_t from, int64_t to, bool light) {
    if (from == to)
      return;
    Value most = capacity(count, light, /*roundUp=*/true);
    b.forLoop(b.index(from), b.index(to), 1, [&](Value expert) {
      memref::StoreOp::create(b, most, left, expert);
    });
  };
  fill(0, heavy, false);
  fill(heavy, stages.experts, true);
}

/// Runs the body for all slots of a range that hold an expert.
void BatchStages::forChoices(Value from, Value to, Value firstSlot,
                             Value endSlot, bool slotsFirst, Choice body) {
  auto visit = [&](Value token, Value slot) {
    Value id = load(rows.ids, token, slot);
    b.ifThen(b.compare(Predicate::sge, id, b.i32(0)),
             [&] { body(token, slot); });
  };
  if (slotsFirst)
    return b.forLoop(firstSlot, endSlot, 1, [&](Value slot) {
      b.forLoop(from, to, 1, [&](Value token) { visit(token, slot); });
    });
  b.forLoop(from, to, 1, [&](Value token) {
    b.forLoop(firstSlot, endSlot, 1, [&](Value slot) { visit(token, slot); });
  });
}

/// Leaves a choice as it is under a condition, and undoes it otherwise.
void BatchStages::keepIf(Value condition, Value id, Value token, Value slot) {
  Value weight = load(rows.weights, token, slot);
  memref::StoreOp::create(b,
                          arith::SelectOp::create(b, condition, id, b.i32(-1)),
                          rows.ids, ValueRange{token, slot});
  memref::StoreOp::create(
      b, arith::SelectOp::create(b, condition, weight, b.f32(0.0)),
      rows.weights, ValueRange{token, slot});
}

//===----------------------------------------------------------------------===//
// Capacity
//===----------------------------------------------------------------------===//

void BatchStages::admitInOrder(Value from, Value to) {
  bool byRank = stages.routing.getDropOrder() == DropOrder::KMajor;
  forChoices(
      from, to, b.index(0), b.index(stages.k()), byRank,
      [&](Value token, Value slot) {
        Value id = load(rows.ids, token, slot);
        Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
        Value room = memref::LoadOp::create(b, left, expert);
        Value fits = b.compare(Predicate::sgt, room, b.i32(0));
        Value less = arith::SubIOp::create(b, room, b.i32(1));
        memref::StoreOp::create(b, arith::SelectOp::create(b, fits, less, room),
                                left, expert);
        keepIf(fits, id, token, slot);
      });
}

/// For each expert, the largest number that at least as many weights reach as
/// it has room for; 0 when all fit.
void BatchStages::findThresholds(Value from, Value to, Value firstSlot,
                                 Value endSlot) {
  Value zero = b.index(0), end = b.index(stages.experts);
  b.forLoop(zero, end, 1, [&](Value expert) {
    memref::StoreOp::create(b, b.i32(0), threshold, expert);
  });
  b.forLoop(zero, b.index(32), 1, [&](Value step) {
    Value shift = arith::SubIOp::create(
        b, b.i32(31), arith::IndexCastOp::create(b, b.getI32Type(), step));
    Value bit = arith::ShLIOp::create(b, b.i32(1), shift);
    auto raised = [&](Value expert) -> Value {
      Value at = memref::LoadOp::create(b, threshold, expert);
      return arith::OrIOp::create(b, at, bit);
    };
    b.forLoop(zero, end, 1, [&](Value expert) {
      memref::StoreOp::create(b, b.i32(0), count, expert);
    });
    forChoices(
        from, to, firstSlot, endSlot, false, [&](Value token, Value slot) {
          Value id = load(rows.ids, token, slot);
          Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
          Value reaches =
              b.compare(Predicate::uge, weightKey(token, slot), raised(expert));
          Value so = memref::LoadOp::create(b, count, expert);
          memref::StoreOp::create(b, plus(so, reaches), count, expert);
        });
    b.forLoop(zero, end, 1, [&](Value expert) {
      Value enough =
          b.compare(Predicate::sge, memref::LoadOp::create(b, count, expert),
                    memref::LoadOp::create(b, left, expert));
      Value at = memref::LoadOp::create(b, threshold, expert);
      memref::StoreOp::create(
          b, arith::SelectOp::create(b, enough, raised(expert), at), threshold,
          expert);
    });
  });
}

/// The choices of some slots by falling weight, the earliest among equals.
void BatchStages::admitByWeight(Value from, Value to, Value firstSlot,
                                Value endSlot) {
  findThresholds(from, to, firstSlot, endSlot);
  // First those above the threshold, which all fit, then its equals.
  for (Predicate predicate : {Predicate::ugt, Predicate::ule})
    forChoices(
        from, to, firstSlot, endSlot, false, [&](Value token, Value slot) {
          Value id = load(rows.ids, token, slot);
          Value expert = arith::IndexCastOp::create(b, b.getIndexType(), id);
          Value least = memref::LoadOp::create(b, threshold, expert);
          Value key = weightKey(token, slot);
          b.ifThen(b.compare(predicate, key, least), [&] {
            Value room = memref::LoadOp::create(b, left, expert);
            Value less = arith::SubIOp::create(b, room, b.i32(1));
            if (predicate == Predicate::ugt) {
              memref::StoreOp::create(b, less, left, expert);
              return;
            }
            Value fits = arith::AndIOp::create(
                b, b.compare(Predicate::eq, key, least),
                b.compare(Predicate::sgt, room, b.i32(0)));
            memref::StoreOp::create(
                b, arith::SelectOp::create(b, fits, less, room), left, expert);
            keepIf(fits, id, token, slot);
          });
        });
}

void BatchStages::dropOverflow() {
  left = buffer();
  bool byWeight = stages.routing.getPriority() == Priority::Prob;
  bool byRank = stages.routing.getDropOrder() == DropOrder::KMajor;
  if (byWeight)
    threshold = buffer(), count = buffer();
  forScopes([&](Value from, Value to) {
    fillCapacities(b.sub(to, from));
    Value first = b.index(0), end = b.index(stages.k());
    if (!byWeight)
      return admitInOrder(from, to);
    if (!byRank)
      return admitByWeight(from, to, first, end);
    b.forLoop(first, end, 1, [&](Value slot) {
      admitByWeight(from, to, slot, b.add(slot, 1));
    });
  });
}

//===----------------------------------------------------------------------===//
// Expert choice
//===----------------------------------------------------------------------===//

Value BatchStages::columnThreshold(Value expert, Value from, Value to,
                                   Value most) {
  return b.forLoop(
      b.index(0), b.index(32), 1, b.i32(0),
      [&](Value step, ValueRange carried) {
        Value shift = arith::SubIOp::create(
            b, b.i32(31), arith::IndexCastOp::create(b, b.getI32Type(), step));
        Value bit = arith::ShLIOp::create(b, b.i32(1), shift);
        Value raised = arith::OrIOp::create(b, carried[0], bit);
        Value reach =
            b.forLoop(from, to, 1, b.i32(0), [&](Value token, ValueRange so) {
              Value key = unsignedKey(load(rows.ids, token, expert));
              return Values{
                  plus(so[0], b.compare(Predicate::uge, key, raised))};
            })[0];
        Value enough = b.compare(Predicate::sge, reach, most);
        return Values{arith::SelectOp::create(b, enough, raised, carried[0])};
      })[0];
}

void BatchStages::chooseTokens(Value expert) {
  Value id = arith::IndexCastOp::create(b, b.getI32Type(), expert);
  forScopes([&](Value from, Value to) {
    Value most = capacity(b.sub(to, from), false, /*roundUp=*/false);
    Value least = columnThreshold(expert, from, to, most);
    Value above =
        b.forLoop(from, to, 1, b.i32(0), [&](Value token, ValueRange so) {
          Value key = unsignedKey(load(rows.ids, token, expert));
          return Values{plus(so[0], b.compare(Predicate::ugt, key, least))};
        })[0];
    b.forLoop(
        from, to, 1, ValueRange{arith::SubIOp::create(b, most, above)},
        [&](Value token, ValueRange carried) {
          Value room = carried[0];
          Value key = unsignedKey(load(rows.ids, token, expert));
          Value isEqual =
              arith::AndIOp::create(b, b.compare(Predicate::eq, key, least),
                                    b.compare(Predicate::sgt, room, b.i32(0)));
          Value fits = arith::OrIOp::create(
              b, isEqual, b.compare(Predicate::ugt, key, least));
          // 0 stands for an expert that the token must not have.
          Value isOffered = b.compare(Predicate::ne, key, b.i32(0));
          keepIf(arith::AndIOp::create(b, fits, isOffered), id, token, expert);
          Value less = arith::SubIOp::create(b, room, b.i32(1));
          return Values{arith::SelectOp::create(b, isEqual, less, room)};
        });
  });
}

void moec::emitStagesOfBatch(VectorBuilder &b, const RoutingStages &stages,
                             RoutingRows rows) {
  if (!stages.routing.dependsOnBatch())
    return;
  if (stages.routing.drops())
    b.tasks(b.index(1),
            [&](Value) { BatchStages(b, stages, rows).dropOverflow(); });
  else
    b.tasks(b.index(stages.experts), [&](Value expert) {
      BatchStages(b, stages, rows).chooseTokens(expert);
    });
  if (!stages.isLate && !stages.inputs.alias)
    return;
  b.tasks(b.dim(rows.ids, 0), [&](Value token) {
    RoutingFinish finish(b, stages, rows);
    if (stages.isLate)
      finish.normalise(token);
    finish.rename(token);
  });
}
