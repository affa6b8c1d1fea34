// Read classes.txt of an export: stride, mean and std of the network, then a line "red green blue name" per class.
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Description {
  int stride = 0;
  std::array<float, 3> mean{}, std{};
  std::vector<std::array<uint8_t, 3>> colours;  // one per class

  explicit Description(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be read, pass the folder of an export (graph coarse)");
    std::string line, key;
    while (std::getline(file, line)) {
      std::istringstream words(line);
      int red, green, blue;
      if (words >> red >> green >> blue) {
        colours.push_back({static_cast<uint8_t>(red), static_cast<uint8_t>(green), static_cast<uint8_t>(blue)});
        continue;
      }
      words.clear();
      words.seekg(0);
      words >> key;
      if (key == "stride") words >> stride;
      if (key == "mean") words >> mean[0] >> mean[1] >> mean[2];
      if (key == "std") words >> std[0] >> std[1] >> std[2];
    }
    if (stride < 1 || std[0] * std[1] * std[2] == 0) throw std::runtime_error(path + ": no stride, mean or std");
    if (colours.size() < 2) throw std::runtime_error(path + ": no classes, export the network with `classes`");
  }

  // A size that the graph accepts: the next multiple of the stride.
  int padded(int length) const { return (length + stride - 1) / stride * stride; }
};
