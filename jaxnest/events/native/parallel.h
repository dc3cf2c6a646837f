// Work shared between the calling thread and XLA's pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "xla/ffi/api/ffi.h"

namespace jaxnest {

namespace ffi = xla::ffi;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Parts into which `work` units should be cut: at least `grain` units each, at most one a thread.
inline int parts_for(const ffi::ThreadPool& pool, int64_t work, int64_t grain) {
  const int64_t threads = std::max<int64_t>(pool.num_threads(), 1);
  return static_cast<int>(std::clamp<int64_t>(work / grain, 1, threads));
}

// f(0) ... f(parts - 1). The caller takes parts too, so it never waits for a pool that is busy: helpers that come late
// find nothing to do, and touch nothing but the counters.
template <typename F>
void parallel(ffi::ThreadPool& pool, int parts, F&& f) {
  if (parts <= 1) {
    f(0);
    return;
  }
  struct Shared {
    std::atomic<int> next{0}, done{0};
  };
  auto shared = std::make_shared<Shared>();
  auto work = [shared, parts, &f] {
    for (int k; (k = shared->next.fetch_add(1)) < parts;) {
      f(k);
      shared->done.fetch_add(1, std::memory_order_release);
    }
  };
  for (int i = 1; i < parts; ++i) pool.Schedule(decltype(work)(work));
  work();
  while (shared->done.load(std::memory_order_acquire) < parts) relax();
}

// The k-th of `parts` cuts of 0 ... n.
inline int64_t cut(int64_t n, int k, int parts) { return n * k / parts; }

// Calls f(T{}) with the type of real numbers.
template <typename F>
ffi::Error with_real(ffi::DataType type, F&& f) {
  if (type == ffi::DataType::F32)
    f(float{});
  else if (type == ffi::DataType::F64)
    f(double{});
  else
    return ffi::Error::InvalidArgument("real numbers must be float32 or float64");
  return ffi::Error::Success();
}

// A binding with n more buffers as arguments.
template <int n, typename Binding>
auto buffers(Binding&& binding) {
  if constexpr (n == 1)
    return std::move(binding).template Arg<ffi::AnyBuffer>();
  else
    return buffers<n - 1>(std::move(binding).template Arg<ffi::AnyBuffer>());
}

}  // namespace jaxnest
