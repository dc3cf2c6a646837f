// The spikes of a slice as a list.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace jaxnest {

template <typename T>
struct Spike {
  int32_t lag, source;
  T amplitude;
};

// f(place) for each element of x (n,) that is not zero. Groups of 128 bytes are looked at together: most are silent.
template <typename T, typename F>
inline void each_nonzero(const T* x, int64_t n, F&& f) {
  typedef uint64_t Words __attribute__((vector_size(32)));
  constexpr int kGroup = 4 * sizeof(Words) / sizeof(T);
  int64_t i = 0;
  for (; i + kGroup <= n; i += kGroup) {
    Words w[4];
    std::memcpy(w, x + i, sizeof(w));
    const Words all = (w[0] | w[1]) | (w[2] | w[3]);
    if (((all[0] | all[1]) | (all[2] | all[3])) == 0) continue;
    for (int k = 0; k < kGroup; ++k)
      if (x[i + k] != T(0)) f(i + k);
  }
  for (; i < n; ++i)
    if (x[i] != T(0)) f(i);
}

// The spikes among columns first ... first + n of x (lags, columns), in order of (lag, source); sources count from `first`.
template <typename T>
std::vector<Spike<T>> list_spikes(const T* x, int64_t lags, int64_t columns, int64_t first, int64_t n) {
  std::vector<Spike<T>> out;
  for (int64_t lag = 0; lag < lags; ++lag) {
    const T* row = x + lag * columns + first;
    each_nonzero(row, n, [&](int64_t i) {
      out.push_back({static_cast<int32_t>(lag), static_cast<int32_t>(i), row[i]});
    });
  }
  return out;
}

}  // namespace jaxnest
