//===- LatentAttention.cpp - Attention over a compressed latent -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// latent_attention(). Keys and values of all heads are made of one latent c by
// one matrix; a part of the key, which carries the position, is common to all
// heads. There are two ways to compute that:
//
// expanded   k_h = [U_h c ; p] and v_h = V_h c are made of every token, and
//            stored;
// absorbed   c and p are stored. U_h goes to the queries, since q_h . U_h c =
//            (U_h^T q_h) . c, and V_h behind the sum of the latents: attention
//            of all heads with one key [c ; p], whose value is its prefix c.
//
// The absorbed form is taken where it stores less. It reads less of each
// position, and multiplies more for it: prompts lose what decoding gains.
// Neither the batch nor the step has a say in it.
//
// Source: DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1.
//
//===----------------------------------------------------------------------===//

#include "lib/Import/ModuleBuilder.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

#include <cmath>

using namespace mlir;
using namespace moec;
using namespace moec::importer;

/// The arguments of an attention over a latent.
struct ModuleBuilder::Latent {
  RowsRef q, latent, position;
  StoredTensor matrix;
  int64_t heads, own, value; ///< Elements of a key's own part, of a value.
  double scale;
  Scoring scoring;

  int64_t key() const { return own + position->width; }
  /// Elements that are stored of a token.
  int64_t expanded() const { return heads * (key() + value); }
  int64_t absorbed() const { return latent->width + position->width; }
};

std::optional<Datum> ModuleBuilder::latentAttention(Arguments arguments) {
  CallArguments a("latent_attention",
                  {"q", "latent", "position", "name", "heads", "key", "value",
                   "scale", "window", "chunk", "softcap", "sinks"},
                  std::move(arguments), evaluator);
  Latent l;
  l.q = a.rows("q");
  l.latent = a.rows("latent");
  l.position = a.rows("position");
  l.matrix = a.tensor("name", ".weight");
  l.heads = a.integer("heads");
  l.own = a.integer("key");
  l.value = a.integer("value");
  auto scale = a.maybeNumber("scale");
  l.scoring = scoringOf(a);
  if (!a.failed() && (l.heads < 1 || l.own < 1 || l.value < 1))
    a.fail("needs heads, keys and values of at least 1, got " +
           std::to_string(l.heads) + ", " + std::to_string(l.own) + " and " +
           std::to_string(l.value));
  if (!a.failed() && l.q->width != l.heads * l.key())
    a.fail("does not fit: " + std::to_string(l.heads) +
           " heads of queries in " + std::to_string(l.q->width) +
           " elements, for keys of " + std::to_string(l.own) + " and " +
           std::to_string(l.position->width));
  if (a.failed())
    return std::nullopt;
  l.scale = scale.value_or(1.0 / std::sqrt(static_cast<double>(l.key())));
  bool absorbs = l.absorbed() < l.expanded();
  std::string form = absorbs ? "the latent and the common part of the key"
                             : "keys and values of all heads";
  auto opts = remark::RemarkOpts::name("latent-attention").category("import");
  if (auto remark = remark::passed(loc(), opts))
    remark << form + " are stored of a token: " +
                  std::to_string(std::min(l.absorbed(), l.expanded())) +
                  " numbers instead of " +
                  std::to_string(std::max(l.absorbed(), l.expanded()));
  return absorbs ? attendAbsorbed(l) : attendExpanded(l);
}

std::optional<Datum> ModuleBuilder::attendExpanded(const Latent &l) {
  int64_t size = l.own + l.value;
  auto matrix = std::make_shared<StoredTensor>(l.matrix);
  auto kv = linear({{ObjectRef(l.latent), ObjectRef(matrix), l.heads * size},
                    {{"role", std::string("attention")}}});
  if (!kv)
    return std::nullopt;
  auto own = headPart({{*kv, size, int64_t(0), l.own}, {}});
  if (!own)
    return std::nullopt;
  auto k = joinHeads({{*own, ObjectRef(l.position), l.heads, true}, {}});
  auto v = headPart({{*kv, size, l.own, l.value}, {}});
  if (!k || !v)
    return std::nullopt;
  Arguments arguments{{ObjectRef(l.q), *k, *v, l.heads, l.heads, l.scale},
                      {{"window", l.scoring.window},
                       {"chunk", l.scoring.chunk},
                       {"softcap", l.scoring.softcap}}};
  if (l.scoring.sinks)
    arguments.named.push_back({"sinks", *l.scoring.sinks});
  return attention(std::move(arguments));
}

/// Every head's part of the rows, times its matrix.
std::optional<mlir::Value>
ModuleBuilder::byHead(const Latent &l, mlir::Value rows, const HeadRows &part) {
  SmallVector<int64_t> shape{l.heads * (l.own + l.value), l.latent->width};
  auto wanted = request(l.matrix, shape, weightElement, "attention");
  if (!wanted)
    return std::nullopt;
  auto bank = recipes->define(*wanted, part);
  if (!bank)
    return std::nullopt;
  int64_t width = cast<moe::BankType>(bank->type).getMember().getDimSize(0);
  mlir::Value matrices = use(*bank, frames.size() - 1, ArgumentKind::Weight);
  auto product = moe::GroupedMatmulOp::create(
      builder, loc(), rows, matrices, mlir::Value(), mlir::Value(),
      mlir::Value(), emptyRows(l.heads * width), /*side_by_side=*/true);
  return product->getResult(0);
}

std::optional<Datum> ModuleBuilder::attendAbsorbed(const Latent &l) {
  int64_t rank = l.latent->width, common = l.position->width;
  auto q = emit(l.q);
  if (!q)
    return std::nullopt;
  auto absorbed = byHead(l, joinParts(*q, l.heads, l.key(), int64_t(0), l.own),
                         {l.heads, 0, l.own, /*transposed=*/true});
  if (!absorbed)
    return std::nullopt;
  mlir::Value queries = joinParts({*absorbed, *q}, l.heads, {rank, l.key()},
                                  {0, l.own}, {rank, common});
  auto state =
      store(l.position, l.latent, {1, rank + common, rank, /*prefix=*/true});
  if (!state)
    return std::nullopt;
  auto sums = attend(queries, *state, {l.heads, l.scale, l.scoring});
  if (!sums)
    return std::nullopt;
  auto values =
      byHead(l, *sums, {l.heads, l.own, l.value, /*transposed=*/false});
  if (!values)
    return std::nullopt;
  return leaf(*values);
}
