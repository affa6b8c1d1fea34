// Label a street scene: segment PROGRAM PARAMETERS IMAGE.png COLOURS.png [engine] [threads] [runs] [LABELS.png]
//
// PROGRAM and PARAMETERS are frames/model.pdmodel and frames/model.pdiparams of an export with the graph "coarse"
// (helpers.deployment.export). Engines: plain, onednn, openvino, openvino-bf16. COLOURS.png shows the classes in the
// colours of Cityscapes, LABELS.png holds the train ids. Prints the milliseconds of each run, from the decoded image to
// its labels.

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

#include "image.h"
#include "pixels.h"

namespace {

const uint8_t kColours[19][3] = {
    {128, 64, 128}, {244, 35, 232}, {70, 70, 70},   {102, 102, 156}, {190, 153, 153}, {153, 153, 153}, {250, 170, 30},
    {220, 220, 0},  {107, 142, 35}, {152, 251, 152}, {70, 130, 180}, {220, 20, 60},   {255, 0, 0},     {0, 0, 142},
    {0, 0, 70},     {0, 60, 100},   {0, 80, 100},    {0, 0, 230},    {119, 11, 32}};

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

void label(paddle_infer::Predictor& predictor, const Image& image, int threads, std::vector<uint8_t>& labels) {
  static std::vector<float> logits;

  // Step 2: fill the input, uint8 (1, height, width, 3), and run.
  auto input = predictor.GetInputHandle(predictor.GetInputNames()[0]);
  input->Reshape({1, image.height, image.width, 3});
  input->CopyFromCpu(image.bytes.data());
  predictor.Run();

  // Step 3: fetch the output, float32 (1, classes, h, w).
  auto output = predictor.GetOutputHandle(predictor.GetOutputNames()[0]);
  const std::vector<int> shape = output->shape();
  if (shape.size() != 4 || shape[1] != 19) throw std::runtime_error("expected an export with the graph coarse");
  logits.resize(std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<size_t>()));
  output->CopyToCpu(logits.data());

  largest_class(logits.data(), shape[1], shape[2], shape[3], image.height, image.width, threads, labels);
}

Image coloured(const Image& image, const std::vector<uint8_t>& labels) {
  Image colours{image.height, image.width, std::vector<uint8_t>(3 * labels.size())};
  for (size_t i = 0; i < labels.size(); ++i)
    for (int channel = 0; channel < 3; ++channel) colours.bytes[3 * i + channel] = kColours[labels[i]][channel];
  return colours;
}

}  // namespace

int main(int count, char** words) {
  if (count < 5) {
    std::fprintf(stderr, "segment PROGRAM PARAMETERS IMAGE.png COLOURS.png [engine] [threads] [runs] [LABELS.png]\n");
    return 2;
  }
  try {
    const std::string engine = count > 5 ? words[5] : "onednn";
    const int threads = count > 6 ? std::stoi(words[6]) : 1, runs = count > 7 ? std::stoi(words[7]) : 1;
    const Image image = read_rgb(words[3]);
    auto predictor = create(words[1], words[2], engine, threads);
    std::vector<uint8_t> labels;
    for (int run = 0; run < runs; ++run) {
      const auto start = std::chrono::steady_clock::now();
      label(*predictor, image, threads, labels);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      std::printf("%.2f ms\n", took.count());
    }
    write_png(words[4], coloured(image, labels), 3);
    if (count > 8) write_png(words[8], Image{image.height, image.width, labels}, 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "segment: %s\n", error.what());
    return 1;
  }
}
