// Events along static connections with delays that are no multiples of a step, and their way back: see events/pull.py.

#include <vector>

#include "rows.h"
#include "spikes.h"

namespace jaxnest {
namespace {

constexpr int64_t kGrain = 2048;  // events worth a thread

template <typename T>
struct Pull {
  const T *ring, *amplitude, *weight, *late;
  T *to_amplitude, *now, *next;
  bool one_weight, one_late, one_sum, delays;
};

// One visit of a row: what its connections' events met, times `a`, is added to `now` and `next`; returned is the sum over the
// row of what an amplitude of 1 would have met. Where the row shares its sums, they go to `total` instead.
template <typename T, typename D>
T visit(const Rows<T, D>& t, const Pull<T>& p, T a, int32_t lag, int32_t source, T* total) {
  const int32_t slot = t.slot(lag, 0);
  T sum = 0, sum_now = 0, sum_next = 0;
  for (int64_t j = t.begin(source); j < t.end(source); ++j) {
    const int32_t at = slot + static_cast<int32_t>(t.delay[t.one_delay ? 0 : j]);
    const int64_t k = at >= t.slots ? at - t.slots : at;
    const int64_t column = t.target[j] + (t.inhibitory ? t.shift(T(1), j) : 0);
    const T w = p.weight[p.one_weight ? 0 : j];
    const T met = p.ring[k * t.columns + column];
    T value = met, after = 0;
    if (p.delays) {
      const int64_t l = k + 1 >= t.slots ? k + 1 - t.slots : k + 1;
      after = p.ring[l * t.columns + column];
      value += p.late[p.one_late ? 0 : j] * (after - met);
    }
    sum += w * value;
    if (p.one_sum) {
      sum_now += met;
      sum_next += after;
      continue;
    }
    p.now[j] += a * met;
    if (p.delays) p.next[j] += a * after;
  }
  total[0] = a * sum_now;
  total[1] = a * sum_next;
  return sum;
}

template <typename T, typename D>
void pull(ffi::ThreadPool& pool, const Rows<T, D>& t, const Pull<T>& p, const T* visits, int64_t lags, int64_t all_sources) {
  const auto events = list_spikes(visits, lags, all_sources, t.first_source, t.sources);
  int64_t work = 0;
  for (const auto& e : events) work += t.end(e.source) - t.begin(e.source);
  std::vector<T> totals(2 * events.size());
  const int parts = parts_for(pool, work, kGrain);
  parallel(pool, parts, [&](int part) {
    const int32_t from = cut(t.sources, part, parts), to = cut(t.sources, part + 1, parts);
    for (size_t i = 0; i < events.size(); ++i) {
      const auto& e = events[i];
      if (e.source < from || e.source >= to) continue;
      const int64_t place = e.lag * all_sources + t.first_source + e.source;
      p.to_amplitude[place] += visit(t, p, p.amplitude[place], e.lag, e.source, &totals[2 * i]);
    }
  });
  if (!p.one_sum) return;
  for (size_t i = 0; i < events.size(); ++i) {
    p.now[0] += totals[2 * i];
    if (p.delays) p.next[0] += totals[2 * i + 1];
  }
}

// Connections j = begin ... end - 1 of a row: of the event a * weight the part `late` comes a step later.
template <typename T, typename D>
void share(const Rows<T, D>& t, T* ring, const T* weight, const T* late, bool one_weight, bool one_late, T a, int32_t slot,
           int64_t begin, int64_t end) {
  for (int64_t j = begin; j < end; ++j) {
    const int32_t at = slot + static_cast<int32_t>(t.delay[t.one_delay ? 0 : j]);
    const int64_t k = at >= t.slots ? at - t.slots : at, l = k + 1 >= t.slots ? 0 : k + 1;
    const T v = a * weight[one_weight ? 0 : j], after = v * late[one_late ? 0 : j];
    T* const column = ring + t.target[j] + (v < T(0) ? t.inhibitory : 0);
    column[k * t.columns] += v - after;
    column[l * t.columns] += after;
  }
}

template <typename T, typename D>
void push_late(ffi::ThreadPool& pool, const Rows<T, D>& t, T* ring, const T* amplitude, const T* weight, const T* late,
               bool one_weight, bool one_late, int64_t lags, int64_t all_sources, int64_t low, int64_t high) {
  const auto events = list_spikes(amplitude, lags, all_sources, t.first_source, t.sources);
  int64_t work = 0;
  for (const auto& e : events) work += t.end(e.source) - t.begin(e.source);
  const int parts = high > low ? parts_for(pool, work, kGrain) : 1;
  parallel(pool, parts, [&](int part) {
    const int64_t from = low + cut(high - low, part, parts), to = low + cut(high - low, part + 1, parts);
    for (const auto& e : events)
      for (int32_t k = 0; k < t.segments; ++k) {
        const int32_t* const ptr = t.row_ptr + int64_t(e.source) * t.segments + k;
        const auto [begin, end] = parts == 1 ? std::pair<int64_t, int64_t>(ptr[0], ptr[1])
                                             : within(t.target, ptr[0], ptr[1], from, to);
        share(t, ring, weight, late, one_weight, one_late, e.amplitude, t.slot(e.lag, 0), begin, end);
      }
  });
}

ffi::Error push_events(ffi::ThreadPool pool, ffi::AnyBuffer amplitude, ffi::AnyBuffer weight, ffi::AnyBuffer late,
                       ffi::AnyBuffer first, ffi::AnyBuffer row_ptr, ffi::AnyBuffer target, ffi::AnyBuffer delay, ffi::AnyBuffer,
                       ffi::Result<ffi::AnyBuffer> ring, int64_t inhibitory, int64_t first_source, int64_t segments,
                       int64_t low, int64_t high) {
  return with_delays(ring->element_type(), delay.element_type(), [&](auto t, auto d) {
    using T = decltype(t);
    const auto rows = rows_of<T, decltype(d)>(*ring, weight, first, row_ptr, target, delay, inhibitory, first_source, segments, 0);
    push_late(pool, rows, ring->typed_data<T>(), amplitude.typed_data<T>(), weight.typed_data<T>(), late.typed_data<T>(),
              weight.element_count() == 1, late.element_count() == 1, amplitude.dimensions()[0], amplitude.dimensions()[1], low,
              high);
  });
}

ffi::Error pull_events(ffi::ThreadPool pool, ffi::AnyBuffer ring, ffi::AnyBuffer amplitude, ffi::AnyBuffer visits,
                       ffi::AnyBuffer weight, ffi::AnyBuffer late, ffi::AnyBuffer first, ffi::AnyBuffer row_ptr,
                       ffi::AnyBuffer target, ffi::AnyBuffer delay, ffi::AnyBuffer, ffi::AnyBuffer, ffi::AnyBuffer,
                       ffi::Result<ffi::AnyBuffer> to_amplitude, ffi::Result<ffi::AnyBuffer> now, ffi::Result<ffi::AnyBuffer> next,
                       int64_t inhibitory, int64_t first_source, int64_t segments) {
  return with_delays(ring.element_type(), delay.element_type(), [&](auto t, auto d) {
    using T = decltype(t);
    const auto rows = rows_of<T, decltype(d)>(ring, weight, first, row_ptr, target, delay, inhibitory, first_source, segments, 0);
    const bool delays = late.element_count() > 0;
    const Pull<T> p{ring.typed_data<T>(),         amplitude.typed_data<T>(), weight.typed_data<T>(),
                    late.typed_data<T>(),         to_amplitude->typed_data<T>(), now->typed_data<T>(),
                    next->typed_data<T>(),        weight.element_count() == 1,   late.element_count() == 1,
                    now->element_count() == 1 && target.element_count() != 1,    delays};
    pull(pool, rows, p, visits.typed_data<T>(), visits.dimensions()[0], visits.dimensions()[1]);
  });
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_pull, jaxnest::pull_events,
                              jaxnest::buffers<12>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("inhibitory")
                                  .Attr<int64_t>("first_source")
                                  .Attr<int64_t>("segments"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_push, jaxnest::push_events,
                              jaxnest::buffers<8>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("inhibitory")
                                  .Attr<int64_t>("first_source")
                                  .Attr<int64_t>("segments")
                                  .Attr<int64_t>("low")
                                  .Attr<int64_t>("high"));
