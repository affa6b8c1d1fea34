// Declarations of Paddle Inference 3.2 for linking with libpaddle.so of the Python package, which contains no headers.
// Declares only what segment.cpp calls. With the C++ package, include its paddle_inference_api.h instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace paddle {

struct AnalysisConfig {
  enum class Precision { kFloat32 = 0, kInt8, kHalf, kBf16 };

  AnalysisConfig(const std::string& program, const std::string& parameters);
  ~AnalysisConfig();
  AnalysisConfig(const AnalysisConfig&) = delete;

  void DisableGlogInfo();
  void SetCpuMathLibraryNumThreads(int threads);
  void EnableMemoryOptim(bool on = true);
  void EnableMKLDNN();
  void DisableMKLDNN();
  void EnableOpenVINOEngine(Precision precision);
  void SetOptimCacheDir(const std::string& folder);

 private:
  // Opaque: the library owns the members. This is more space than they take.
  alignas(64) unsigned char members_[32768];
};

}  // namespace paddle

namespace paddle_infer {

using Config = paddle::AnalysisConfig;
using PrecisionType = Config::Precision;

class Tensor {
 public:
  void Reshape(const std::vector<int>& shape);
  std::vector<int> shape() const;
  template <typename T>
  void CopyFromCpu(const T* data);
  template <typename T>
  void CopyToCpu(T* data) const;

 private:
  Tensor() = delete;  // only the library creates tensors
};

class Predictor {
 public:
  std::vector<std::string> GetInputNames();
  std::unique_ptr<Tensor> GetInputHandle(const std::string& name);
  bool Run();
  std::vector<std::string> GetOutputNames();
  std::unique_ptr<Tensor> GetOutputHandle(const std::string& name);
};

std::shared_ptr<Predictor> CreatePredictor(const Config& config);

}  // namespace paddle_infer
