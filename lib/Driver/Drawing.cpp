//===- Drawing.cpp - A model as a page ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The graph of each distinct layer is a column of parts in the order of the
// program. A part that uses the one above it is joined by a line, one that uses
// an earlier part by a bow beside the column. All that comes from a checkpoint
// passes through escaped().
//
//===----------------------------------------------------------------------===//

#include "lib/Driver/Drawing.h"
#include "lib/Driver/Console.h"
#include "lib/Driver/Tensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace moec;
using namespace moec::driver;
using importer::LayerSummary;
using importer::ModelSummary;

static const char kStyle[] =
#include "lib/Driver/Drawing.css.inc"
    ;

//===----------------------------------------------------------------------===//
// Choices
//===----------------------------------------------------------------------===//

static std::vector<const LayerSummary *> sparseLayers(const ModelSummary &m) {
  std::vector<const LayerSummary *> sparse;
  for (const LayerSummary &layer : m.layers)
    if (layer.experts)
      sparse.push_back(&layer);
  return sparse;
}

ExpertCounts driver::countExperts(const std::string &path,
                                  const ModelSummary &model) {
  weights::SafetensorsFile file = openTensors(path);
  const weights::TensorInfo &tensor = findTensor(file, "experts");
  std::vector<int32_t> ids = readIntegers(file, tensor, 3);
  auto sparse = sparseLayers(model);
  auto fail = [&](const std::string &what) {
    throw Failure{1, "MOE0143", path + ": tensor 'experts' " + what};
  };
  if (tensor.shape[0] != sparse.size())
    fail("is of " + std::to_string(tensor.shape[0]) +
         " layers, the model has " + std::to_string(sparse.size()) +
         " with experts");
  ExpertCounts counts;
  counts.positions = tensor.shape[1];
  size_t each = tensor.shape[1] * tensor.shape[2];
  for (size_t layer = 0; layer < sparse.size(); ++layer) {
    std::vector<int64_t> &chosen = counts.layers.emplace_back();
    chosen.resize(sparse[layer]->experts);
    for (size_t i = layer * each; i < (layer + 1) * each; ++i) {
      if (ids[i] == -1) // Fewer were chosen.
        continue;
      if (ids[i] < 0 || ids[i] >= sparse[layer]->experts)
        fail("names expert " + std::to_string(ids[i]) + " of " +
             std::to_string(sparse[layer]->experts) + " in sparse layer " +
             std::to_string(layer));
      ++chosen[ids[i]];
    }
  }
  return counts;
}

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

static std::string escaped(const std::string &text) {
  // Bytes that are no UTF-8 are replaced on this way through JSON.
  using nlohmann::json;
  std::string sound = json::parse(
      json(text).dump(-1, ' ', false, json::error_handler_t::replace));
  std::string result;
  for (char c : sound)
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    case '\'':
      result += "&#39;";
      break;
    default: // XML has no way to say control characters.
      result += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
  return result;
}

/// At most so many characters.
static std::string shortened(const std::string &text, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xc0) == 0x80)
      continue;
    if (count++ == most)
      return text.substr(0, i) + "…";
  }
  return text;
}

/// 6.9 B, 512 M, 1,024.
static std::string countText(int64_t value) {
  for (auto [unit, name] : {std::pair(1e12, "T"), {1e9, "B"}, {1e6, "M"}})
    if (value >= unit)
      return format("%.3g %s", value / unit, name);
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(at, ",");
  return digits;
}

static std::string rangeText(int first, int last) {
  return first == last ? std::to_string(first)
                       : std::to_string(first) + "–" + std::to_string(last);
}

/// "0–2, 5".
static std::string layersOf(const std::vector<int> &structureOf, int which) {
  std::string text;
  int size = structureOf.size();
  for (int i = 0, end; i < size; i = end) {
    for (end = i + 1; end < size && structureOf[end] == structureOf[i];)
      ++end;
    if (structureOf[i] == which)
      text += (text.empty() ? "" : ", ") + rangeText(i, end - 1);
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

namespace {
/// Bows beside a column: each takes the innermost lane that is free.
class Lanes {
public:
  int take(int from, int to) {
    size_t lane = 0;
    while (lane < taken.size() &&
           std::any_of(
               taken[lane].begin(), taken[lane].end(),
               [&](auto &bow) { return bow.first < to && from < bow.second; }))
      ++lane;
    if (lane == taken.size())
      taken.emplace_back();
    taken[lane].emplace_back(from, to);
    return lane;
  }

private:
  std::vector<std::vector<std::pair<int, int>>> taken;
};

struct Place {
  static constexpr int left = 120, width = 440, height = 26, pitch = 38;
  static int top(int part) { return 12 + (part + 1) * pitch; }
  static int middle(int part) { return top(part) + height / 2; }
};
} // namespace

static std::string drawEdges(const std::vector<Part> &parts) {
  std::string text;
  Lanes residual, other;
  for (int to = 0; to < static_cast<int>(parts.size()); ++to)
    for (int from : parts[to].sources) {
      if (from == to - 1) {
        text += format("<path class=\"edge\" d=\"M%d %dV%d\"/>\n",
                       Place::left + Place::width / 2,
                       Place::top(from) + Place::height, Place::top(to));
        continue;
      }
      bool isSum = parts[to].kind == "join";
      int lane = (isSum ? residual : other).take(from, to);
      int edge = isSum ? Place::left : Place::left + Place::width;
      int bend = edge + (isSum ? -1 : 1) * (18 + 11 * std::min(lane, 8));
      text += format("<path class=\"edge%s\" d=\"M%d %dH%dV%dH%d\"/>\n",
                     isSum ? " skip" : "", edge, Place::middle(from) + 4, bend,
                     Place::middle(to) - 4, edge);
    }
  return text;
}

static std::string drawPart(int index, const std::string &kind,
                            const std::string &title,
                            const std::string &detail) {
  int y = Place::top(index);
  std::string text = format(
      "<g class=\"part %s\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
      "rx=\"6\"/><text x=\"%d\" y=\"%d\">%s</text>",
      kind.c_str(), Place::left, y, Place::width, Place::height,
      Place::left + 12, y + 17, escaped(title).c_str());
  if (!detail.empty())
    text +=
        format("<text class=\"detail\" x=\"%d\" y=\"%d\">%s</text>"
               "<title>%s</title>",
               Place::left + Place::width - 12, y + 17,
               escaped(shortened(detail, 48)).c_str(), escaped(detail).c_str());
  return text + "</g>\n";
}

static std::string drawGraph(const std::vector<Part> &parts,
                             const std::string &label) {
  int count = parts.size();
  std::string text =
      format("<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 680 %d\">\n",
             escaped(label).c_str(), Place::top(count - 1) + 44);
  text += drawEdges(parts);
  text += drawPart(-1, "given", "rows of the layer above", "");
  for (int i = 0; i < count; ++i)
    text += drawPart(i, parts[i].kind, parts[i].title, parts[i].detail);
  return text + "</svg>\n";
}

//===----------------------------------------------------------------------===//
// The page
//===----------------------------------------------------------------------===//

namespace {
class Page {
public:
  Page(const ModelSummary &model, const Outline &outline,
       const ExpertCounts *counts)
      : model(model), outline(outline), counts(counts) {}

  std::string draw(const std::string &name);

private:
  void put(const std::string &part) { text += part; }
  void tile(const char *what, const std::string &value,
            const std::string &note);
  void drawTiles();
  void drawUnsupported();
  void drawModel();
  void drawStructure(int which);
  void drawRoles();
  void drawHeat();
  void drawHeatRow(int row, int layer, const std::vector<int64_t> &chosen,
                   int64_t most);

  const ModelSummary &model;
  const Outline &outline;
  const ExpertCounts *counts;
  std::string text;
};
} // namespace

void Page::tile(const char *what, const std::string &value,
                const std::string &note) {
  put(format("<div class=\"tile\"><b>%s</b><span>%s</span><small>%s"
             "</small></div>\n",
             escaped(value).c_str(), what, escaped(note).c_str()));
}

void Page::drawTiles() {
  int64_t bytes = 0;
  for (const auto &[role, summary] : model.roles)
    bytes += summary.bytes;
  put("<section class=\"tiles\">\n");
  tile("parameters", countText(model.parameters),
       "a token uses " + countText(model.activeParameters));
  tile("weights", bytesText(bytes), "as " + model.dtype);
  tile("layers", std::to_string(model.layers.size()),
       std::to_string(sparseLayers(model).size()) + " with experts");
  tile("width", countText(model.hidden),
       "vocabulary " + countText(model.vocabulary));
  tile("state", bytesText(model.stateBytes),
       format("%lld sequences of %lld",
              static_cast<long long>(model.maxSequences),
              static_cast<long long>(model.maxContext)));
  put("</section>\n");
}

void Page::drawUnsupported() {
  if (model.unsupported.empty())
    return;
  put("<section class=\"card warning\"><h2>Not supported</h2><ul>\n");
  for (const std::string &item : model.unsupported)
    put("<li>" + escaped(item) + "</li>\n");
  put("</ul></section>\n");
}

/// From the embedding to the logits, and a square for each layer.
void Page::drawModel() {
  put("<section class=\"card\"><h2>Model</h2>\n<ol class=\"chain\">\n");
  for (const Part &part : outline.model) {
    if (part.firstLayer < 0) {
      put("<li>" + escaped(part.title) + " <small>" + escaped(part.detail) +
          "</small></li>\n");
      continue;
    }
    int which = outline.structureOf[part.firstLayer];
    put(format("<li class=\"run s%d\">layers %s <small>structure %c</small>"
               "</li>\n",
               which % 6, rangeText(part.firstLayer, part.lastLayer).c_str(),
               'A' + which % 26));
  }
  put("</ol></section>\n");
}

void Page::drawStructure(int which) {
  auto first =
      std::find(outline.structureOf.begin(), outline.structureOf.end(), which);
  const LayerSummary &layer = model.layers[first - outline.structureOf.begin()];
  put(format("<section class=\"card\"><h2><i class=\"s%d\">%c</i> Layers "
             "%s</h2>\n",
             which % 6, 'A' + which % 26,
             layersOf(outline.structureOf, which).c_str()));
  std::vector<Part> parts = outline.structures[which];
  if (layer.experts) {
    put(format("<p class=\"router\">%s<br/><small>%lld of %lld experts for "
               "each token</small></p>\n",
               escaped(layer.router).c_str(),
               static_cast<long long>(layer.expertsPerToken),
               static_cast<long long>(layer.experts)));
    for (Part &part : parts)
      if (part.kind == "router")
        part.detail = layer.router;
      else if (part.title == "experts")
        part.detail = format("%lld of %lld",
                             static_cast<long long>(layer.expertsPerToken),
                             static_cast<long long>(layer.experts));
  } else {
    put("<p class=\"router\">dense: no router</p>\n");
  }
  put(drawGraph(parts,
                "Graph of structure " + std::string(1, 'A' + which % 26)));
  put("</section>\n");
}

void Page::drawRoles() {
  std::vector<std::pair<int64_t, std::string>> roles;
  int64_t total = 0;
  for (const auto &[role, summary] : model.roles) {
    roles.emplace_back(summary.bytes, role);
    total += summary.bytes;
  }
  std::sort(roles.rbegin(), roles.rend());
  put("<section class=\"card\"><h2>Bytes by role</h2>\n<table>\n");
  for (const auto &[bytes, role] : roles) {
    double share = total ? 100.0 * bytes / total : 0;
    put(format("<tr><th>%s</th><td class=\"bar\"><div style=\"width:%.2f%%\">"
               "</div></td><td>%s</td><td>%.1f %%</td></tr>\n",
               escaped(role).c_str(), share, bytesText(bytes).c_str(), share));
  }
  put("</table></section>\n");
}

void Page::drawHeatRow(int row, int layer, const std::vector<int64_t> &chosen,
                       int64_t most) {
  int experts = chosen.size();
  double cell = 640.0 / experts;
  int64_t sum = 0, unused = 0, busiest = 0;
  int y = 6 + 20 * row;
  put(format("<text class=\"axis\" x=\"52\" y=\"%d\">%d</text>\n", y + 13,
             layer));
  for (int expert = 0; expert < experts; ++expert) {
    int64_t count = chosen[expert];
    sum += count;
    unused += count == 0;
    busiest = std::max(busiest, count);
    put(format("<rect class=\"heat\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" "
               "height=\"18\" fill-opacity=\"%.3f\"><title>layer %d, expert "
               "%d: chosen %lld times</title></rect>\n",
               60 + expert * cell, y, cell * 0.94,
               most ? double(count) / most : 0, layer, expert,
               static_cast<long long>(count)));
  }
  std::string note =
      sum ? format("busiest %.1f × mean", double(busiest) * experts / sum) : "";
  if (unused)
    note += format(", %lld unused", static_cast<long long>(unused));
  put(format("<text class=\"note\" x=\"712\" y=\"%d\">%s</text>\n", y + 13,
             note.c_str()));
}

void Page::drawHeat() {
  if (!counts)
    return;
  int64_t most = 0;
  for (const auto &layer : counts->layers)
    for (int64_t count : layer)
      most = std::max(most, count);
  put(format("<section class=\"card\"><h2>Chosen experts</h2>\n<p>%lld "
             "positions. A row is a layer, a cell an expert; the darkest was "
             "chosen %lld times.</p>\n<svg role=\"img\" aria-label=\"Heat map "
             "of chosen experts\" viewBox=\"0 0 880 %zu\">\n",
             static_cast<long long>(counts->positions),
             static_cast<long long>(most), 12 + 20 * counts->layers.size()));
  int row = 0;
  for (size_t layer = 0; layer < model.layers.size(); ++layer)
    if (model.layers[layer].experts) {
      drawHeatRow(row, layer, counts->layers[row], most);
      ++row;
    }
  put("</svg></section>\n");
}

std::string Page::draw(const std::string &name) {
  std::string title = escaped(name);
  put("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
      "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>" +
      title + "</title>\n<style>" + kStyle +
      "</style></head>\n<body><main>\n<header><h1>" + title + "</h1><p>" +
      escaped(model.family) + " · model type " + escaped(model.modelType) +
      "</p></header>\n");
  drawUnsupported();
  if (!model.layers.empty())
    drawTiles();
  if (!outline.model.empty())
    drawModel();
  drawHeat();
  for (size_t i = 0; i < outline.structures.size(); ++i)
    drawStructure(i);
  if (!model.roles.empty())
    drawRoles();
  put("</main></body></html>\n");
  return std::move(text);
}

std::string driver::drawPage(const std::string &name, const ModelSummary &model,
                             const Outline &outline,
                             const ExpertCounts *counts) {
  return Page(model, outline, counts).draw(name);
}
