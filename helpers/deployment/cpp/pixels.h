// From bytes to the network's input, and from logits to labels, with the same arithmetic as helpers/cpu/pixels.py.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <thread>
#include <vector>

// Split 0..lines into parts and call `work(begin, end)` for each, on `threads` threads.
template <typename Work>
void share(int lines, int threads, Work work) {
  std::vector<std::thread> others;
  for (int part = 1; part < threads; ++part)
    others.emplace_back(work, lines * part / threads, lines * (part + 1) / threads);
  work(0, lines / threads);
  for (auto& other : others) other.join();
}

// Normalise RGB bytes (height, width, 3) into `x`, (3, padded_height, padded_width); the last column and row
// are repeated.
inline void normalise(const uint8_t* bytes, int height, int width, const std::array<float, 3>& mean,
                      const std::array<float, 3>& std, int padded_height, int padded_width, int threads,
                      std::vector<float>& x) {
  x.resize(static_cast<size_t>(3) * padded_height * padded_width);
  for (int channel = 0; channel < 3; ++channel) {
    float table[256];
    for (int value = 0; value < 256; ++value) table[value] = (value / 255.0f - mean[channel]) / std[channel];
    share(height, threads, [&](int begin, int end) {
      for (int row = begin; row < end; ++row) {
        float* line = x.data() + (static_cast<size_t>(channel) * padded_height + row) * padded_width;
        const uint8_t* pixel = bytes + static_cast<size_t>(row) * width * 3 + channel;
        for (int column = 0; column < width; ++column) line[column] = table[pixel[3 * column]];
        std::fill(line + width, line + padded_width, line[width - 1]);
      }
    });
    float* last = x.data() + (static_cast<size_t>(channel) * padded_height + height - 1) * padded_width;
    for (int row = height; row < padded_height; ++row) {
      std::copy(last, last + padded_width, last + static_cast<size_t>(row - height + 1) * padded_width);
    }
  }
}

struct Size {
  int height, width;
};

// For each output sample: the two input samples to interpolate between, and the weight of the second.
struct Neighbours {
  std::vector<int> low, high;
  std::vector<float> weight;

  Neighbours(int before, int after) : low(after), high(after), weight(after) {
    const float ratio = static_cast<float>(static_cast<double>(before) / after);
    for (int i = 0; i < after; ++i) {
      const float position = std::max(ratio * (i + 0.5f) - 0.5f, 0.0f);
      low[i] = std::min(static_cast<int>(position), before - 1);
      high[i] = std::min(low[i] + 1, before - 1);
      weight[i] = position - low[i];
    }
  }
};

// Resize logits (classes, old) to the size `padded` by bilinear interpolation (align_corners=False), and write the
// class with the largest logit at each pixel of the upper left part, of size `part`, into `labels`. The resized logits
// are never stored.
inline void largest_class(const float* logits, int classes, Size old, Size padded, Size part, int threads,
                          std::vector<uint8_t>& labels) {
  const int height = part.height, width = part.width;
  labels.resize(static_cast<size_t>(height) * width);
  const Neighbours rows(old.height, padded.height), columns(old.width, padded.width);
  share(height, threads, [&](int begin, int end) {
    // The input lines above and below the output line, at full width: `above`, and `step` from it to the one below.
    std::vector<float> above(classes * width), step(classes * width), highest(width);
    std::vector<int> first(width);
    int held = -1;
    for (int row = begin; row < end; ++row) {
      if (held != rows.low[row]) {
        held = rows.low[row];
        for (int c = 0; c < classes; ++c) {
          const float* upper = logits + (static_cast<size_t>(c) * old.height + rows.low[row]) * old.width;
          const float* lower = logits + (static_cast<size_t>(c) * old.height + rows.high[row]) * old.width;
          for (int x = 0; x < width; ++x) {
            const int left = columns.low[x], right = columns.high[x];
            const float top = upper[left] + (upper[right] - upper[left]) * columns.weight[x];
            const float bottom = lower[left] + (lower[right] - lower[left]) * columns.weight[x];
            above[c * width + x] = top;
            step[c * width + x] = bottom - top;
          }
        }
      }
      const float weight = rows.weight[row];
      std::fill(first.begin(), first.end(), 0);
      for (int x = 0; x < width; ++x) highest[x] = above[x] + step[x] * weight;
      for (int c = 1; c < classes; ++c) {
        const float *a = above.data() + c * width, *s = step.data() + c * width;
        for (int x = 0; x < width; ++x) {
          const float value = a[x] + s[x] * weight;
          first[x] = value > highest[x] ? c : first[x];
          highest[x] = value > highest[x] ? value : highest[x];
        }
      }
      std::copy(first.begin(), first.end(), labels.begin() + static_cast<size_t>(row) * width);
    }
  });
}
