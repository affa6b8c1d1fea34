// Read and write PNG files with libpng's simplified API.
#pragma once

#include <png.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

struct Image {
  int height = 0, width = 0;
  std::vector<uint8_t> bytes;  // (height, width, channels)
};

inline Image read_rgb(const std::string& path) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_file(&png, path.c_str())) throw std::runtime_error(path + ": " + png.message);
  png.format = PNG_FORMAT_RGB;
  Image image;
  image.height = static_cast<int>(png.height);
  image.width = static_cast<int>(png.width);
  image.bytes.resize(PNG_IMAGE_SIZE(png));
  if (!png_image_finish_read(&png, nullptr, image.bytes.data(), 0, nullptr))
    throw std::runtime_error(path + ": " + png.message);
  return image;
}

// `channels` is 3 for RGB, 1 for grey.
inline void write_png(const std::string& path, const Image& image, int channels) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.height = image.height;
  png.width = image.width;
  png.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  if (!png_image_write_to_file(&png, path.c_str(), 0, image.bytes.data(), 0, nullptr))
    throw std::runtime_error(path + ": " + png.message);
}
