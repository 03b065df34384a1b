//===- ModuleBuilder.h - Runs a family's program to build IR ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The host of a family's programs: its functions create ops. The program of a
// layer runs once for each layer, into a function of its own; when an equal
// function is there already, that one is called instead.
//
// A frame is a body that ops are put into: the entry, a layer, or the region of
// an expert. A weight that a program asks for is an op in the entry, an
// argument in a layer, and an argument of the region in an expert.
//
//===----------------------------------------------------------------------===//

#ifndef MOEC_LIB_IMPORT_MODULEBUILDER_H
#define MOEC_LIB_IMPORT_MODULEBUILDER_H

#include "dialects/Nn/Nn.h"
#include "lib/Import/CallArguments.h"
#include "lib/Import/Config.h"
#include "lib/Import/Import.h"
#include "lib/Import/Recipes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace moec::importer {

/// The choice of experts for some rows.
struct Routing final : Object {
  Routing() : Object(Kind::Routing) {}
  mlir::Value ids, weights;
  mlir::Value shared; ///< The weights of experts that every token has.
  int64_t experts = 0, k = 0;
  std::string words;
};

/// Neighbouring experts of one kind.
struct ExpertRange final : Object {
  ExpertRange(moe::ExpertKind kind, int64_t count)
      : Object(Object::Kind::ExpertRange), expertKind(kind), count(count) {}
  moe::ExpertKind expertKind;
  int64_t count;
  std::string function; ///< What such an expert computes; none: its kind says.
  Arguments arguments;  ///< Behind the rows.
};

struct RopeTable final : Object {
  RopeTable() : Object(Kind::RopeTable) {}
  WeightRef weight;
};

class ModuleBuilder final : public Host {
public:
  /// When the module is built, `summary` holds the dtype and the limits; it
  /// gets everything else.
  ModuleBuilder(mlir::MLIRContext &context, Config &config,
                const weights::Checkpoint &checkpoint, ModelSummary &summary,
                Diagnostics &diagnostics);

  /// The value of a key, null when the family does not have it.
  std::optional<Datum> key(const std::string &name);
  /// Evaluates the checks of the family: in front of the model those that do
  /// not depend on the layer, in each layer the others. Reports all that hold.
  bool checkConfig();
  /// The module, or null and errors.
  mlir::OwningOpRef<mlir::ModuleOp> build();
  /// Sets `moe.model`.
  void describe(mlir::ModuleOp module);

  // Host.
  bool variable(const std::string &name, std::optional<Datum> &value) override;
  bool hasFunction(std::string_view name) const override;
  std::optional<Datum> call(const std::string &name,
                            Arguments arguments) override;
  std::optional<Datum> arithmetic(const std::string &op, const Datum &left,
                                  const Datum &right) override;
  std::optional<Datum> named(const Datum &value) override;

private:
  enum class ArgumentKind { Places, Passed, Sequences, Table, State, Weight };
  struct LayerArgument {
    ArgumentKind kind;
    std::string weight; ///< Of Passed, the name that it was passed on under.
    int64_t state = 0;  ///< Of sequences, the argument of the entry.
    mlir::Type type;
  };
  struct Frame {
    enum class Kind { Entry, Layer, Experts, Shared, Recursion };
    Kind kind;
    mlir::Block *block;
    mlir::Value zero;  ///< The index 0.
    mlir::Value count; ///< The number of rows.
    mlir::Value ids, positions, tokenSlots, wantedRows;
    /// Where keys and values of the tokens are stored, where that is not at
    /// their positions; of a layer, once used.
    mlir::Value places;
    /// Of a layer: the attentions so far, and whether it has a router.
    size_t attentions = 0;
    bool routes = false;
    /// Of a layer, and of a recursion whose layers use it: once used.
    std::pair<mlir::Value, mlir::Value> sequences;
    std::map<std::string, mlir::Value> weights;
    /// Of a region: what its arguments behind the first stand for.
    llvm::SmallVector<mlir::Value> outer;
    /// Of a layer: its arguments behind the fixed ones. Places come first, then
    /// what earlier layers passed on, then what delimits sequences, then
    /// tables, then states, then weights.
    llvm::SmallVector<LayerArgument> arguments;
    /// Of a layer: what it got from earlier ones, and what it gives to later
    /// ones.
    std::map<std::string, mlir::Value> received, passed;
    bool afterLastRows = false;
    /// Of the region of an expert.
    int64_t experts = 0, firstExpert = 0, expertsPerToken = 0;
    LayerSummary *summary = nullptr;
  };
  struct Layer {
    mlir::func::FuncOp func;
    llvm::SmallVector<LayerArgument> arguments;
    /// The names of its results behind the first.
    llvm::SmallVector<std::string> passed;
  };
  /// Of every layer: x, the positions and the slots of the tokens.
  static constexpr unsigned kFixedArguments = 3;

  using Builtin = std::optional<Datum> (ModuleBuilder::*)(Arguments);
  static const std::map<std::string, Builtin, std::less<>> &builtins();

  // The functions of programs.
  std::optional<Datum> embedding(Arguments arguments);
  std::optional<Datum> layers(Arguments arguments);
  std::optional<Datum> lastRows(Arguments arguments);
  std::optional<Datum> recurse(Arguments arguments);
  std::optional<Datum> passOn(Arguments arguments);
  std::optional<Datum> passedOn(Arguments arguments);
  std::optional<Datum> linear(Arguments arguments);
  void refuseOwnNorm(CallArguments &arguments, bool hasWeight);
  std::optional<Datum> rmsNorm(Arguments arguments);
  std::optional<Datum> layerNorm(Arguments arguments);
  std::optional<Datum> parameter(Arguments arguments);
  std::optional<Datum> positions(Arguments arguments);
  std::optional<Datum> idsOfTokens(Arguments arguments);
  std::optional<Datum> tokenTable(Arguments arguments);
  std::optional<Datum> headPart(Arguments arguments);
  std::optional<Datum> joinHeads(Arguments arguments);
  std::optional<Datum> repeat(Arguments arguments);
  std::optional<Datum> ropeTable(Arguments arguments);
  std::optional<Datum> rotate(Arguments arguments);
  std::optional<Datum> attention(Arguments arguments);
  std::optional<Datum> latentAttention(Arguments arguments);
  std::optional<Datum> shortConv(Arguments arguments);
  std::optional<Datum> gatedDelta(Arguments arguments);
  std::optional<Datum> route(Arguments arguments);
  std::optional<Datum> sharedWeights(Arguments arguments);
  std::optional<Datum> experts(Arguments arguments);
  std::optional<Datum> ffnExperts(Arguments arguments);
  std::optional<Datum> localExperts(Arguments arguments);
  std::optional<Datum> identityExperts(Arguments arguments);
  std::optional<Datum> zeroExperts(Arguments arguments);
  std::optional<Datum> tensor(Arguments arguments);
  std::optional<Datum> hasTensor(Arguments arguments);
  std::optional<Datum> shared(Arguments arguments);
  std::optional<Datum> tap(Arguments arguments);

  // Structure.
  void runCheck(const Check &check, const std::set<std::string> &names);
  bool isSameInAllLayers(const Check &check);
  mlir::func::FuncOp createEntry();
  bool runModel(mlir::func::FuncOp entry);
  std::optional<mlir::Value> buildLayer(int64_t index, mlir::Value x);
  std::optional<Layer> createLayer(int64_t index, int64_t width);
  bool runLayer(mlir::func::FuncOp func, Frame &frame);
  mlir::func::FuncOp shareLayer(mlir::func::FuncOp func);
  mlir::Value callLayer(const Layer &layer, int64_t index, mlir::Value x);
  std::optional<mlir::Value> recursion(mlir::Value x, const Routing &routing,
                                       int64_t number, int64_t regions);
  std::optional<mlir::Value> runRecursion(mlir::Block *block, int64_t number,
                                          mlir::Value places);
  const Routing *chooseTokens(const std::string &function, mlir::Value x,
                              int64_t number, const Datum &before,
                              Datum &chosen);
  mlir::Value placesOf(const Routing &routing, int64_t from);
  mlir::Value firstPlaces(int64_t window, int64_t chunk);
  bool checkTensors();
  std::optional<std::string> withKeys(std::string pattern);

  // Frames.
  Frame &frame() { return *frames.back(); }
  mlir::Location loc();
  /// Of f32 where `element` is null.
  mlir::Value emptyRows(int64_t width, mlir::Type element = {});
  /// An integer for each row.
  mlir::Value emptyIntegers();
  std::optional<mlir::Value> emit(const RowsRef &rows);
  Datum leaf(mlir::Value tensor);
  std::string storedName(std::string name) const;
  std::optional<std::string> layerPrefix();
  std::optional<std::string> tensorName(const std::string &name);
  std::optional<WeightRequest> request(const StoredTensor &tensor,
                                       llvm::ArrayRef<int64_t> shape,
                                       mlir::Type element,
                                       const std::string &role);
  std::optional<mlir::Value> weight(const StoredTensor &tensor,
                                    llvm::ArrayRef<int64_t> shape,
                                    mlir::Type element,
                                    const std::string &role);
  std::optional<mlir::Value> weight(const std::string &tensor,
                                    llvm::ArrayRef<int64_t> shape,
                                    mlir::Type element,
                                    const std::string &role);
  /// Matrices of `columns` columns, one below the other.
  std::optional<mlir::Value> joined(llvm::ArrayRef<StoredTensor> tensors,
                                    llvm::ArrayRef<int64_t> widths,
                                    int64_t columns, mlir::Type element,
                                    const std::string &role);
  mlir::Value use(const WeightRef &weight, size_t level, ArgumentKind kind);
  mlir::Value layerArgument(Frame &layer, LayerArgument argument);
  void needAllRows(CallArguments &arguments);
  void refuseInRecursion(CallArguments &arguments, const char *why);
  static constexpr const char *kOfSomeTokens =
      ", which has rows of some tokens only";
  /// Whether a row of this body is a token.
  bool isOfTokens() {
    return frame().kind == Frame::Kind::Entry ||
           frame().kind == Frame::Kind::Layer;
  }
  void needExactIds(CallArguments &arguments, int64_t vocabulary);
  mlir::Value tokenIds();
  /// Integers of tokens [T] as rows of one element.
  Datum numbersOf(mlir::Value integers);
  /// seq_offsets and slots of a layer.
  std::pair<mlir::Value, mlir::Value> sequences();
  /// What a layer that is called in this body gets of an input of the entry.
  mlir::Value inputOf(Frame &caller, int64_t input);
  void needOwnState(CallArguments &arguments);
  mlir::Value recurrentState(int64_t rows, int64_t columns);
  mlir::Value joinParts(mlir::ValueRange parts, int64_t heads,
                        llvm::ArrayRef<int64_t> sizes,
                        llvm::ArrayRef<int64_t> offsets,
                        llvm::ArrayRef<int64_t> counts);
  mlir::Value state(int64_t heads, int64_t key, int64_t value, bool prefix);
  /// Where keys and values of these rows are stored.
  struct Stored {
    int64_t heads, key, value;
    bool prefix; ///< `keys` are what follows the values.
  };
  std::optional<mlir::Value> store(const RowsRef &keys, const RowsRef &values,
                                   Stored stored);
  /// Which positions a token sees, and what becomes of their scores.
  struct Scoring {
    int64_t window = 0, chunk = 0;
    double softcap = 0;
    std::optional<std::string> sinks;
  };
  Scoring scoringOf(CallArguments &arguments);
  struct Attending {
    int64_t heads;
    double scale;
    Scoring scoring;
  };
  std::optional<mlir::Value> attend(mlir::Value q, mlir::Value state,
                                    const Attending &how);
  struct Latent;
  std::optional<Datum> attendExpanded(const Latent &latent);
  std::optional<Datum> attendAbsorbed(const Latent &latent);
  std::optional<mlir::Value> byHead(const Latent &latent, mlir::Value rows,
                                    const HeadRows &part);
  std::optional<mlir::Value> sharedState(CallArguments &arguments,
                                         int64_t layer);
  mlir::Value firstState();
  mlir::Value places();
  std::optional<moe::RoutingAttr> routing(CallArguments &arguments);
  bool chooseByToken(CallArguments &arguments, int64_t experts, int64_t k,
                     moe::RoutingInputs &inputs);
  std::optional<std::vector<bool>> classMask(CallArguments &arguments,
                                             int64_t experts);
  mlir::Value
  integersOf(mlir::Value rows, mlir::Type element,
             llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                            mlir::Value)>
                 convert);
  /// The integers that a number of a token becomes: itself rounded down, or
  /// `least` below 0, or `beyond` above `most`.
  struct TokenRange {
    int64_t least, most, beyond;
  };
  std::optional<mlir::Value> tokenIntegers(CallArguments &arguments,
                                           const char *name, TokenRange range);
  void warnWithoutEffect(const CallArguments &arguments,
                         moe::RoutingAttr routing);
  std::optional<Datum> expertRange(const char *function, moe::ExpertKind kind,
                                   Arguments arguments);
  std::optional<mlir::Value> runRange(const ExpertRange &range, int64_t first,
                                      int64_t perToken, const RowsRef &x,
                                      Frame &region);
  std::optional<mlir::Value> runRegion(Frame &region, const RowsRef &x,
                                       const std::string &function,
                                       Arguments arguments);

  mlir::MLIRContext &context;
  Config &config;
  const weights::Checkpoint &checkpoint;
  ModelSummary &summary;
  Diagnostics &diagnostics;
  Evaluator evaluator;
  mlir::OpBuilder builder;
  mlir::Type f32, i32, weightElement;
  std::unique_ptr<Recipes> recipes;
  std::vector<Frame *> frames;
  std::optional<int64_t> currentLayer;
  int64_t numLayers = 0; ///< Of those that are begun.
  /// How the tensor names of layers begin, and whether that is being found out.
  std::map<int64_t, std::string> layerPrefixes;
  bool findsPrefix = false;
  std::set<std::string> warned; ///< What was said once.
  /// The layers that run several times, while they are built.
  struct Recursions {
    int64_t first = 0, count = 0;
    bool sharesFirst =
        false;          ///< Keys and values of the first recursion serve all.
    int64_t number = 0; ///< Of the one that is built.
    /// How many tokens take part in front of every position: of each region,
    /// and of the one that is built.
    llvm::SmallVector<LayerArgument> placeStates;
    LayerArgument placeState;
    bool readsFirst() const { return sharesFirst && number > 0; }
  };
  std::optional<Recursions> recursions;
  int64_t numRoutings = 0; ///< In the model's own program.
  std::vector<mlir::func::FuncOp> distinctLayers;
  /// What the layers so far passed on, in the entry.
  std::map<std::string, mlir::Value> passed;
  int64_t numStates = 0;
  /// By layer.
  std::map<int64_t, llvm::SmallVector<LayerArgument>> attentionStates;
  int64_t inactiveParameters = 0;
};

} // namespace moec::importer

#endif // MOEC_LIB_IMPORT_MODULEBUILDER_H
