//===- Produce.cpp - All weights in order, made by several threads --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The weights are cut into pieces, which are numbered in the order in which
// they are wanted. Threads take the next number, make the piece in the buffer
// number modulo the count of buffers once that is free, and mark it ready; the
// caller hands the pieces on in order and frees their buffers. So memory is
// bounded by the buffers, and the order does not depend on the threads.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Recipes.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace moec::weights {

namespace {

constexpr uint64_t pieceBytes = uint64_t(1) << 20;
/// Beyond this many, the disk is what is waited for.
constexpr unsigned mostThreads = 16;

struct Piece {
  const DefinedWeight *weight;
  int64_t expert;
  uint64_t firstRow, rows;

  uint64_t offset() const { return firstRow * weight->rowBytes(); }
  uint64_t bytes() const { return rows * weight->rowBytes(); }
};

/// The pieces one after another, without a list of them.
class Pieces {
public:
  explicit Pieces(std::span<const DefinedWeight *const> order) : order(order) {}

  std::optional<Piece> next() {
    while (index < order.size()) {
      const DefinedWeight &weight = *order[index];
      if (expert == weight.experts) {
        ++index;
        expert = 0;
        continue;
      }
      if (row >= weight.numRows() || weight.rowBytes() == 0) {
        ++expert;
        row = 0;
        continue;
      }
      uint64_t most = std::max<uint64_t>(1, pieceBytes / weight.rowBytes());
      Piece piece{&weight, expert, row, std::min(most, weight.numRows() - row)};
      row += piece.rows;
      return piece;
    }
    return std::nullopt;
  }

private:
  std::span<const DefinedWeight *const> order;
  size_t index = 0;
  int64_t expert = 0;
  uint64_t row = 0;
};

Status makePiece(const Piece &piece, std::vector<std::byte> &out) {
  try {
    out.resize(piece.bytes());
    return RecipeExecutor::read(*piece.weight, piece.expert, piece.firstRow,
                                piece.rows, out);
  } catch (const std::bad_alloc &) {
    return Status::failure(ErrorCode::OutOfMemory,
                           "no memory for " + std::to_string(piece.bytes()) +
                               " bytes of " + piece.weight->text());
  }
}

class Pipeline {
public:
  Pipeline(std::span<const DefinedWeight *const> order, unsigned threads)
      : pieces(order), buffers(2 * threads) {
    // A system that refuses more threads gets by with fewer.
    try {
      for (unsigned i = 0; i < threads; ++i)
        workers.emplace_back([this] { work(); });
    } catch (const std::system_error &) {
    }
  }

  ~Pipeline() {
    {
      std::lock_guard lock(mutex);
      isStopped = true;
    }
    changed.notify_all();
    for (std::thread &worker : workers)
      worker.join();
  }

  bool hasWorkers() const { return !workers.empty(); }

  Status deliver(const RecipeExecutor::Sink &sink) {
    for (uint64_t number = 0;; ++number) {
      Buffer &buffer = buffers[number % buffers.size()];
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] {
          return buffer.isReady || (isExhausted && taken == number);
        });
        if (!buffer.isReady)
          return {};
      }
      Status status = std::move(buffer.status);
      if (status.ok())
        status = sink(*buffer.piece.weight, buffer.piece.expert,
                      buffer.piece.offset(), buffer.bytes);
      if (!status.ok())
        return status;
      {
        std::lock_guard lock(mutex);
        buffer.isReady = buffer.isTaken = false;
      }
      changed.notify_all();
    }
  }

private:
  struct Buffer {
    bool isTaken = false, isReady = false;
    Piece piece{};
    std::vector<std::byte> bytes;
    Status status;
  };

  /// The buffer of the next piece, when it is free; null when there is no more
  /// to do.
  Buffer *take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] {
      return isStopped || isExhausted ||
             !buffers[taken % buffers.size()].isTaken;
    });
    if (isStopped || isExhausted)
      return nullptr;
    std::optional<Piece> piece = pieces.next();
    if (!piece) {
      isExhausted = true;
      changed.notify_all();
      return nullptr;
    }
    Buffer &buffer = buffers[taken++ % buffers.size()];
    buffer.isTaken = true;
    buffer.piece = *piece;
    return &buffer;
  }

  void work() {
    while (Buffer *buffer = take()) {
      Status status = makePiece(buffer->piece, buffer->bytes);
      {
        std::lock_guard lock(mutex);
        buffer->status = std::move(status);
        buffer->isReady = true;
      }
      changed.notify_all();
    }
  }

  std::mutex mutex;
  std::condition_variable changed;
  Pieces pieces;
  uint64_t taken = 0; ///< Pieces that were given to a thread.
  bool isExhausted = false, isStopped = false;
  std::vector<Buffer> buffers;
  std::vector<std::thread> workers;
};

Status produceHere(std::span<const DefinedWeight *const> order,
                   const RecipeExecutor::Sink &sink) {
  Pieces pieces(order);
  std::vector<std::byte> bytes;
  while (std::optional<Piece> piece = pieces.next()) {
    Status status = makePiece(*piece, bytes);
    if (status.ok())
      status = sink(*piece->weight, piece->expert, piece->offset(), bytes);
    if (!status.ok())
      return status;
  }
  return {};
}

} // namespace

Status RecipeExecutor::produce(std::span<const DefinedWeight *const> order,
                               unsigned threads, const Sink &sink) {
  if (threads == 0)
    threads = std::thread::hardware_concurrency();
  threads = std::clamp(threads, 1u, mostThreads);
  if (threads == 1)
    return produceHere(order, sink);
  Pipeline pipeline(order, threads);
  if (!pipeline.hasWorkers())
    return produceHere(order, sink);
  return pipeline.deliver(sink);
}

} // namespace moec::weights
