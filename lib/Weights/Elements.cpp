//===- Elements.cpp - Elements of tensors as float ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The loops over whole tensors. Each element goes through memcpy because the
// data of a file may lie at any address; compilers turn that into plain loads.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/Elements.h"

#include <cstring>

namespace moec::weights {

static_assert(std::endian::native == std::endian::little,
              "the files are little-endian and are read in place");

namespace {

Status checkSpans(DType type, size_t numBytes, size_t numElements,
                  bool isKnown) {
  if (!isKnown)
    return Status::failure(ErrorCode::UnsupportedType,
                           "elements of type " + std::string(name(type)) +
                               " cannot be converted to or from float; F32, "
                               "F16 and BF16 can");
  if (numBytes * 8 == numElements * bitWidth(type))
    return {};
  return Status::failure(ErrorCode::InvalidArgument,
                         std::to_string(numBytes) + " bytes do not hold " +
                             std::to_string(numElements) + " elements of " +
                             std::string(name(type)));
}

template <typename Convert>
void widen(std::span<const std::byte> bytes, std::span<float> out,
           Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t element;
    std::memcpy(&element, bytes.data() + 2 * i, 2);
    out[i] = convert(element);
  }
}

template <typename Convert>
void narrow(std::span<const float> values, std::span<std::byte> out,
            Convert convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t element = convert(values[i]);
    std::memcpy(out.data() + 2 * i, &element, 2);
  }
}

template <typename Convert>
void widenBytes(std::span<const std::byte> bytes, std::span<float> out,
                Convert convert) {
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = convert(static_cast<uint8_t>(bytes[i]));
}

/// The lower half of a byte comes first.
void widenHalves(std::span<const std::byte> bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    auto both = static_cast<uint8_t>(bytes[i / 2]);
    out[i] = f4E2M1ToFloat(i % 2 ? both >> 4 : both);
  }
}

} // namespace

bool isFloatConvertible(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16;
}

bool isFloatReadable(DType type) {
  return isFloatConvertible(type) || type == DType::F8_E4M3 ||
         type == DType::F8_E8M0 || type == DType::F4;
}

Status readFloats(DType type, std::span<const std::byte> bytes,
                  std::span<float> out) {
  Status status =
      checkSpans(type, bytes.size(), out.size(), isFloatReadable(type));
  if (!status.ok() || out.empty())
    return status;
  if (type == DType::F32)
    std::memcpy(out.data(), bytes.data(), bytes.size());
  else if (type == DType::BF16)
    widen(bytes, out, bf16ToFloat);
  else if (type == DType::F16)
    widen(bytes, out, f16ToFloat);
  else if (type == DType::F8_E4M3)
    widenBytes(bytes, out, f8E4M3ToFloat);
  else if (type == DType::F8_E8M0)
    widenBytes(bytes, out, f8E8M0ToFloat);
  else
    widenHalves(bytes, out);
  return {};
}

Status writeFloats(DType type, std::span<const float> values,
                   std::span<std::byte> out) {
  Status status =
      checkSpans(type, out.size(), values.size(), isFloatConvertible(type));
  if (!status.ok() || values.empty())
    return status;
  if (type == DType::F32)
    std::memcpy(out.data(), values.data(), out.size());
  else if (type == DType::BF16)
    narrow(values, out, floatToBf16);
  else
    narrow(values, out, floatToF16);
  return {};
}

} // namespace moec::weights
