//===- Messages.cpp - Collects what a compilation says --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Messages.h"

#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringSwitch.h"

#include <csignal>
#include <cstring>

using namespace mlir;
using namespace moec;
using namespace moec::driver;

using Kind = CompileReport::Message::Kind;

static Kind kindOf(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Error:
    return Kind::Error;
  case DiagnosticSeverity::Warning:
    return Kind::Warning;
  case DiagnosticSeverity::Remark:
    return Kind::Remark;
  case DiagnosticSeverity::Note:
    return Kind::Note;
  }
  return Kind::Note;
}

static std::string textOf(Location location) {
  if (isa<UnknownLoc>(location))
    return "";
  std::string text;
  llvm::raw_string_ostream os(text);
  location.print(os);
  return text;
}

namespace {
/// Hands the optimization remarks of passes to a listener.
class Streamer : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Streamer(CompileListener &listener) : listener(listener) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    std::string kind = remark.getRemarkTypeString().lower();
    std::string text = remark.getRemarkName().str() + ": ";
    for (const remark::detail::Remark::Arg &argument : remark.getArgs())
      text += (argument.key == "Reason" && !text.ends_with(": ") ? ": " : "") +
              argument.val;
    listener.remark(kind, remark.getCategoryName().str(),
                    remark.getFunction().str(), text);
  }

private:
  CompileListener &listener;
};
} // namespace

Messages::Messages(MLIRContext &context, CompileReport &report,
                   CompileListener &listener)
    : report(report), handler(&context, [this](Diagnostic &diagnostic) {
        add(kindOf(diagnostic.getSeverity()), diagnostic.str(),
            ::textOf(diagnostic.getLocation()));
        // MLIR attaches the whole operation, which may be the whole module.
        for (Diagnostic &note : diagnostic.getNotes())
          if (!llvm::StringRef(note.str()).starts_with("see current"))
            add(Kind::Note, note.str(), ::textOf(note.getLocation()));
        return success();
      }) {
  if (!listener.wantsRemarks())
    return;
  remark::RemarkCategories all{".*", ".*", ".*", ".*", ".*"};
  (void)remark::enableOptimizationRemarks(
      context, std::make_unique<Streamer>(listener),
      std::make_unique<remark::RemarkEmittingPolicyAll>(), all);
}

void Messages::add(Kind kind, llvm::StringRef text, llvm::StringRef location) {
  CompileReport::Message message{kind, "", text.str(), location.str()};
  if (text.consume_front("[MOE")) {
    auto [digits, rest] = text.split(']');
    message.code = ("MOE" + digits).str();
    message.text = rest.ltrim().str();
  } else if (kind == Kind::Error) {
    message.code = codeForErrors;
  }
  // Who gave a module wants to know where in it.
  if (!codeForErrors.empty() && location.consume_front("loc(")) {
    location.consume_back(")");
    message.text = (location + ": " + message.text).str();
  }
  report.messages.push_back(std::move(message));
}

void Messages::add(const importer::Diagnostic &diagnostic) {
  Kind kind = Kind::Remark;
  if (diagnostic.severity == importer::Severity::Error)
    kind = Kind::Error;
  else if (diagnostic.severity == importer::Severity::Warning)
    kind = Kind::Warning;
  report.messages.push_back({kind, diagnostic.code, diagnostic.message, ""});
}

llvm::StringRef driver::codeOf(const weights::Status &status) {
  using weights::ErrorCode;
  switch (status.code()) {
  case ErrorCode::NoSpace:
    return "MOE0402";
  case ErrorCode::OutOfMemory:
    return "MOE0403";
  case ErrorCode::Io:
  case ErrorCode::NotFound:
    return "MOE0130";
  case ErrorCode::Occupied:
    return "MOE0131";
  case ErrorCode::TensorMissing:
    return importer::code::missingTensor;
  case ErrorCode::InvalidArgument:
    return "MOE0158";
  case ErrorCode::UnsupportedType:
    return importer::code::unsupportedElements;
  default:
    return importer::code::badCheckpoint;
  }
}

std::string driver::textOf(const weights::Status &status) {
  return ("[" + codeOf(status) + "] " + status.message()).str();
}

CompileReport::Message moec::endedBySignal(int signal) {
  bool killed = signal == SIGKILL;
  return {Kind::Error, killed ? "MOE0403" : "MOE7002",
          "the compiler was ended by signal " + std::to_string(signal) + " (" +
              strsignal(signal) + ")" +
              (killed ? ", perhaps for lack of memory" : ""),
          ""};
}

bool CompileReport::hasErrors() const {
  return llvm::any_of(messages, [](const Message &message) {
    return message.kind == Message::Kind::Error;
  });
}

int driver::exitCodeOf(llvm::StringRef code) {
  return llvm::StringSwitch<int>(code.take_front(5))
      .Case("MOE01", 1)
      .Case("MOE02", 2)
      .Case("MOE03", 3)
      .Case("MOE04", 4)
      .Case("MOE05", 5)
      .Default(70);
}

int CompileReport::exitCode() const {
  for (const Message &message : messages)
    if (message.kind == Message::Kind::Error)
      return driver::exitCodeOf(message.code);
  return 0;
}
