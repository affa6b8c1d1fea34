// Label an image: segment EXPORT IMAGE.png COLOURS.png [engine] [threads] [runs] [LABELS.png]
//
// EXPORT is the folder of an export with the graph "coarse" (helpers.deployment.export). Engines: plain, onednn,
// openvino, openvino-bf16. COLOURS.png shows the classes in the colours of the export, LABELS.png holds the train ids.
// Prints the milliseconds of each run, from the decoded image to its labels.

#ifdef FROM_WHEEL
#include "paddle_wheel.h"
#else
#include <paddle_inference_api.h>
#endif

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <numeric>

#include "export.h"
#include "image.h"
#include "pixels.h"

namespace {

// Step 1: create a predictor.
std::shared_ptr<paddle_infer::Predictor> create(const std::string& program, const std::string& parameters,
                                                const std::string& engine, int threads) {
  paddle_infer::Config config(program, parameters);
  config.DisableGlogInfo();
  config.SetCpuMathLibraryNumThreads(threads);
  config.EnableMemoryOptim();
  if (engine == "plain") {
    config.DisableMKLDNN();
  } else if (engine == "onednn") {
    config.EnableMKLDNN();
  } else if (engine == "openvino" || engine == "openvino-bf16") {
    config.SetOptimCacheDir((std::filesystem::temp_directory_path() / "segment-openvino").string());
    config.EnableOpenVINOEngine(engine == "openvino" ? paddle_infer::PrecisionType::kFloat32
                                                     : paddle_infer::PrecisionType::kBf16);
  } else {
    throw std::runtime_error("unknown engine " + engine + ": choose plain, onednn, openvino or openvino-bf16");
  }
  return paddle_infer::CreatePredictor(config);
}

void label(paddle_infer::Predictor& predictor, const Description& about, const Image& image, int threads,
           std::vector<uint8_t>& labels) {
  static std::vector<float> logits, padded;
  const int height = about.padded(image.height), width = about.padded(image.width);

  // Step 2: fill the input and run. It is the frame, uint8 (1, height, width, 3), unless that needs padding.
  auto input = predictor.GetInputHandle(predictor.GetInputNames()[0]);
  if (height == image.height && width == image.width) {
    input->Reshape({1, height, width, 3});
    input->CopyFromCpu(image.bytes.data());
  } else {
    normalise(image.bytes.data(), image.height, image.width, about.mean, about.std, height, width, threads, padded);
    input->Reshape({1, 3, height, width});
    input->CopyFromCpu(padded.data());
  }
  predictor.Run();

  // Step 3: fetch the output, float32 (1, classes, h, w).
  auto output = predictor.GetOutputHandle(predictor.GetOutputNames()[0]);
  const std::vector<int> shape = output->shape();
  const int classes = static_cast<int>(about.colours.size());
  if (shape.size() != 4 || shape[1] != classes) throw std::runtime_error("logits of other classes than classes.txt");
  logits.resize(std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<size_t>()));
  output->CopyToCpu(logits.data());

  largest_class(logits.data(), classes, {shape[2], shape[3]}, {height, width}, {image.height, image.width}, threads,
                labels);
}

Image coloured(const Image& image, const Description& about, const std::vector<uint8_t>& labels) {
  Image colours{image.height, image.width, std::vector<uint8_t>(3 * labels.size())};
  for (size_t i = 0; i < labels.size(); ++i)
    for (int channel = 0; channel < 3; ++channel) colours.bytes[3 * i + channel] = about.colours[labels[i]][channel];
  return colours;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "segment EXPORT IMAGE.png COLOURS.png [engine] [threads] [runs] [LABELS.png]\n");
    return 2;
  }
  try {
    const std::string folder = words[1], engine = count > 4 ? words[4] : "onednn";
    const int threads = count > 5 ? std::stoi(words[5]) : 1, runs = count > 6 ? std::stoi(words[6]) : 1;
    const Description about(folder + "/classes.txt");
    const Image image = read_rgb(words[2]);
    const bool fits = image.height % about.stride == 0 && image.width % about.stride == 0;
    const std::string program = folder + (fits ? "/frames" : "/legacy") + "/model";
    auto predictor = create(program + ".pdmodel", program + ".pdiparams", engine, threads);
    std::vector<uint8_t> labels;
    for (int run = 0; run < runs; ++run) {
      const auto start = std::chrono::steady_clock::now();
      label(*predictor, about, image, threads, labels);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      std::printf("%.2f ms\n", took.count());
    }
    write_png(words[3], coloured(image, about, labels), 3);
    if (count > 7) write_png(words[7], Image{image.height, image.width, labels}, 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "segment: %s\n", error.what());
    return 1;
  }
}
