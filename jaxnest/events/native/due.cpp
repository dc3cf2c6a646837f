// Delivery when events are due, for rows in segments of one delay each: see `Queue` in events/deliver.py.
// All events of a moment fall on one slot of the ring, which the processor's cache holds. Threads share the targets, so
// every place gets its events in the order (step of emission, source, place in the row), whatever their number.

#include <vector>

#include "rows.h"
#include "spikes.h"

namespace jaxnest {
namespace {

constexpr int64_t kGrain = 2048;  // events worth a thread
constexpr int kAhead = 3;         // pieces of rows that are fetched before they are used (more of them push each other out)

// Connections begin ... end, all of one source and delay.
template <typename T>
struct Piece {
  int32_t begin, end, slot;
  T amplitude;
};

// The spikes (lags, columns) emitted from step `first` on go to their rows of the queue.
ffi::Error enter(ffi::AnyBuffer spikes, ffi::AnyBuffer first, ffi::AnyBuffer complete, ffi::AnyBuffer, ffi::AnyBuffer,
                 ffi::AnyBuffer, ffi::Result<ffi::AnyBuffer> count, ffi::Result<ffi::AnyBuffer> source,
                 ffi::Result<ffi::AnyBuffer> amplitude) {
  if (!complete.typed_data<int32_t>()[0]) return ffi::Error::Success();
  const int64_t lags = spikes.dimensions()[0], n = spikes.dimensions()[1], rows = count->element_count();
  auto put = [&](auto t) {
    using T = decltype(t);
    for (int64_t lag = 0; lag < lags; ++lag) {
      const int64_t row = (first.typed_data<int32_t>()[0] + lag) % rows;
      const T* const x = spikes.typed_data<T>() + lag * n;
      int32_t* const sources = source->typed_data<int32_t>() + row * n;
      T* const amplitudes = amplitude->typed_data<T>() + row * n;
      int32_t found = 0;
      each_nonzero(x, n, [&](int64_t i) {
        sources[found] = static_cast<int32_t>(i);
        amplitudes[found++] = x[i];
      });
      count->typed_data<int32_t>()[row] = found;
    }
  };
  return with_real(spikes.element_type(), put);
}

// The pieces of rows that are due in the steps `begin` ... `end` - 1, of spikes emitted before step `emitted`.
template <typename T>
std::vector<Piece<T>> pieces_due(const int32_t* row_ptr, int32_t n_rows, int32_t segments, int32_t shortest, int32_t first_source,
                                 int32_t slots, const int32_t* moments, int64_t rows, int64_t n, const int32_t* count,
                                 const int32_t* source, const T* amplitude) {
  std::vector<Piece<T>> out;
  const int32_t begin = moments[0], end = moments[1], emitted = moments[2], longest = shortest + segments - 1;
  if (begin >= end) return out;
  for (int32_t m = std::max(begin - longest, 0); m < std::min(emitted, end - shortest); ++m) {
    const int32_t from = std::max(begin - m - shortest, 0), to = std::min(end - m - shortest, segments);
    const int64_t row = m % rows;
    const int32_t* const mine = source + row * n;
    for (int32_t i = 0; i < count[row]; ++i) {
      if (i + kAhead < count[row]) {
        const int32_t later = mine[i + kAhead] - first_source;
        if (later >= 0 && later < n_rows) __builtin_prefetch(row_ptr + int64_t(later) * segments + from);
      }
      const int32_t s = mine[i] - first_source;
      if (s < 0 || s >= n_rows) continue;
      const int32_t* const ptr = row_ptr + int64_t(s) * segments;
      for (int32_t k = from; k < to; ++k)
        if (ptr[k] < ptr[k + 1]) out.push_back({ptr[k], ptr[k + 1], (m + shortest + k) % slots, amplitude[row * n + i]});
    }
  }
  return out;
}

// The first of the connections begin ... end, sorted by target, with target >= low, else `end`: without a branch to guess.
inline int64_t first_from(const int32_t* target, int64_t begin, int64_t end, int64_t low) {
  for (int64_t n = end - begin; n > 0;) {
    const int64_t half = n / 2;
    const bool after = target[begin + half] < low;
    begin += after ? half + 1 : 0;
    n = after ? n - half - 1 : half;
  }
  return begin;
}

// What a part of the threads will read of a piece, as far as one can tell before it is read.
template <typename T>
void fetch(const Piece<T>& p, const int32_t* target, const T* weight, bool one_weight, int part, int parts) {
  constexpr int32_t kLine = 16;
  const int32_t n = p.end - p.begin;
  const int32_t from = p.begin + std::max<int32_t>(cut(n, part, parts) - kLine / 2, 0);
  const int32_t to = p.begin + std::min<int32_t>(cut(n, part + 1, parts) + kLine / 2, n);
  for (int32_t j = from; j < to; j += kLine) {
    __builtin_prefetch(target + j);
    if (!one_weight) __builtin_prefetch(weight + j);
  }
}

ffi::Error due(ffi::ThreadPool pool, ffi::AnyBuffer weight, ffi::AnyBuffer moments, ffi::AnyBuffer row_ptr, ffi::AnyBuffer target,
               ffi::AnyBuffer count, ffi::AnyBuffer source, ffi::AnyBuffer amplitude, ffi::AnyBuffer,
               ffi::Result<ffi::AnyBuffer> ring, int64_t inhibitory, int64_t first_source, int64_t low, int64_t high,
               int64_t segments, int64_t shortest) {
  auto add = [&](auto t) {
    using T = decltype(t);
    const int32_t slots = ring->dimensions()[0], n_rows = (row_ptr.element_count() - 1) / segments;
    const int64_t columns = ring->dimensions()[1];
    const auto pieces = pieces_due<T>(row_ptr.typed_data<int32_t>(), n_rows, segments, shortest, first_source, slots,
                                      moments.typed_data<int32_t>(), count.element_count(), source.dimensions()[1],
                                      count.typed_data<int32_t>(), source.typed_data<int32_t>(), amplitude.typed_data<T>());
    int64_t work = 0;
    for (const auto& p : pieces) work += p.end - p.begin;
    const int32_t* const targets = target.typed_data<int32_t>();
    const T* const weights = weight.typed_data<T>();
    const bool one_weight = weight.element_count() == 1;
    const int parts = high > low ? parts_for(pool, work, kGrain) : 1;
    parallel(pool, parts, [&](int part) {
      const int64_t from = low + cut(high - low, part, parts), to = low + cut(high - low, part + 1, parts);
      for (size_t i = 0; i < pieces.size(); ++i) {
        if (i + kAhead < pieces.size()) fetch(pieces[i + kAhead], targets, weights, one_weight, part, parts);
        const auto& p = pieces[i];
        T* const row = ring->typed_data<T>() + p.slot * columns;
        const int64_t begin = part == 0 ? p.begin : first_from(targets, p.begin, p.end, from);
        const int64_t end = part + 1 == parts ? p.end : first_from(targets, begin, p.end, to);
        for (int64_t j = begin; j < end; ++j) {
          const T v = p.amplitude * weights[one_weight ? 0 : j];
          row[targets[j] + (v < T(0) ? inhibitory : 0)] += v;
        }
      }
    });
  };
  return with_real(ring->element_type(), add);
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_enter, jaxnest::enter,
                              jaxnest::buffers<6>(ffi::Ffi::Bind())
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_due, jaxnest::due,
                              jaxnest::buffers<8>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("inhibitory")
                                  .Attr<int64_t>("first_source")
                                  .Attr<int64_t>("low")
                                  .Attr<int64_t>("high")
                                  .Attr<int64_t>("segments")
                                  .Attr<int64_t>("shortest"));
