// Delivery along static connections, and the two other partial sums of
//     sum over lags, connections:  ring[slot, column] * spikes[lag, source] * weight[connection]
// slot and column of an event are those of events/deliver.py. Rows are sorted by target, so a thread finds its columns
// by bisection; every place of the ring receives its events in the order (lag, source, place in the row) from one thread,
// so results depend neither on the number of threads nor on where the columns are cut.

#include <algorithm>
#include <cstring>

#include "rows.h"
#include "spikes.h"

namespace jaxnest {
namespace {

constexpr int64_t kGrain = 2048;  // events worth a thread
constexpr int kBlock = 64;        // events of which the places in the ring are known ahead

// Connections of one delay: row[column] += a * weight, where `row` is the slot of the ring. `route` is that of the spike;
// `by_value`: the event's own sign routes it.
template <typename T, typename D>
void push_slot(const Rows<T, D>& t, T* row, const T* weight, bool one_weight, T a, T route, bool by_value, int64_t begin,
               int64_t end) {
  const int32_t* target = t.target;
    if (one_weight && (by_value || t.one_route || !t.inhibitory)) {
      const T v = a * weight[0];
      if (by_value ? v < T(0) : t.inhibitory && t.shift(route, 0)) row += t.inhibitory;
      for (int64_t j = begin; j < end; ++j) row[target[j]] += v;
    } else if (!t.inhibitory) {
      for (int64_t j = begin; j < end; ++j) row[target[j]] += a * weight[one_weight ? 0 : j];
    } else if (by_value) {
      for (int64_t j = begin; j < end; ++j) {
        const T v = a * weight[j];
        row[target[j] + (v < T(0) ? t.inhibitory : 0)] += v;
      }
    } else {
      for (int64_t j = begin; j < end; ++j) row[target[j] + t.shift(route, j)] += a * weight[one_weight ? 0 : j];
    }
}

// Connections with targets low ... high of a row.
template <typename T, typename D>
void push_row(const Rows<T, D>& t, T* ring, const T* weight, bool one_weight, T a, T route, bool by_value, int32_t lag,
              int32_t source, int64_t low, int64_t high, bool whole) {
  if (t.segments > 1) {
    for (int32_t k = 0; k < t.segments; ++k) {
      const int32_t* const ptr = t.row_ptr + int64_t(source) * t.segments + k;
      if (ptr[0] == ptr[1]) continue;
      const auto [begin, end] = whole ? std::pair<int64_t, int64_t>(ptr[0], ptr[1]) : within(t.target, ptr[0], ptr[1], low, high);
      push_slot(t, ring + int64_t(t.slot(lag, t.shortest + k)) * t.columns, weight, one_weight, a, route, by_value, begin, end);
    }
    return;
  }
  const auto [begin, end] = whole ? std::pair<int64_t, int64_t>(t.begin(source), t.end(source))
                                  : within(t.target, t.begin(source), t.end(source), low, high);
  if (t.one_delay) {
    push_slot(t, ring + int64_t(t.slot(lag, t.delay[0])) * t.columns, weight, one_weight, a, route, by_value, begin, end);
    return;
  }
  // Delays differ: the events of a row lie all over the ring, which is fetched one block ahead.
  const int32_t now = t.slot(lag, 0);
  int32_t place[2][kBlock];
  T value[2][kBlock];
  int before = 0;
  for (int64_t at = begin, k = 0; at < end || before; at += kBlock, k ^= 1) {
    const int m = static_cast<int>(std::clamp<int64_t>(end - at, 0, kBlock));
    for (int i = 0; i < m; ++i) {
      const T v = a * weight[one_weight ? 0 : at + i];
      const int32_t late = now + t.delay[at + i];
      const int32_t slot = late >= t.slots ? late - t.slots : late;
      const bool negative = by_value ? v < T(0) : t.shift(route, at + i) != 0;
      place[k][i] = slot * t.columns + t.target[at + i] + (negative ? t.inhibitory : 0);
      value[k][i] = v;
    }
    for (int i = 0; i < m; ++i) __builtin_prefetch(ring + place[k][i], 1);
    for (int i = 0; i < before; ++i) ring[place[k ^ 1][i]] += value[k ^ 1][i];
    before = m;
  }
}

template <typename T, typename D>
void push(ffi::ThreadPool& pool, const Rows<T, D>& t, T* ring, const T* spikes, const T* weight, const T* route_spikes,
          bool one_weight, bool by_value, int64_t lags, int64_t all_sources, int64_t low, int64_t high) {
  const auto events = list_spikes(spikes, lags, all_sources, t.first_source, t.sources);
  int64_t work = 0;
  for (const auto& e : events) work += t.end(e.source) - t.begin(e.source);
  const int parts = high > low ? parts_for(pool, work, kGrain) : 1;
  parallel(pool, parts, [&](int part) {
    const int64_t from = low + cut(high - low, part, parts), to = low + cut(high - low, part + 1, parts);
    for (const auto& e : events) {
      const T route = by_value ? T(0) : route_of(route_spikes[e.lag * all_sources + t.first_source + e.source]);
      push_row(t, ring, weight, one_weight, e.amplitude, route, by_value, e.lag, e.source, from, to, parts == 1);
    }
  });
}

// The sum over one row of ring * weight, in the order of its connections.
template <typename T, typename D>
T pull_row(const Rows<T, D>& t, const T* ring, const T* weight, bool one_weight, T route, int32_t lag, int64_t begin,
           int64_t end) {
  const int32_t now = t.slot(lag, 0);
  T sum = 0;
  for (int64_t j = begin; j < end; ++j) {
    const int32_t late = now + t.delay[t.one_delay ? 0 : j];
    const int64_t slot = late >= t.slots ? late - t.slots : late;
    const int32_t shift = t.inhibitory ? t.shift(route, j) : 0;
    sum += ring[slot * t.columns + t.target[j] + shift] * weight[one_weight ? 0 : j];
  }
  return sum;
}

// spikes[lag, source] = sum over the row of ring * weight
template <typename T, typename D>
void pull_spikes(ffi::ThreadPool& pool, const Rows<T, D>& t, const T* ring, const T* weight, const T* route_spikes,
                 bool one_weight, int64_t lags, int64_t all_sources, T* out) {
  std::fill_n(out, lags * all_sources, T(0));
  const int64_t n = t.end(t.sources - 1);
  const int parts = parts_for(pool, n * lags, kGrain);
  parallel(pool, parts, [&](int part) {
    const int32_t from = cut(t.sources, part, parts), to = cut(t.sources, part + 1, parts);
    for (int32_t s = from; s < to; ++s)
      for (int64_t lag = 0; lag < lags; ++lag) {
        const int64_t place = lag * all_sources + t.first_source + s;
        out[place] = pull_row(t, ring, weight, one_weight, route_of(route_spikes[place]), lag, t.begin(s),
                              t.end(s));
      }
  });
}

// weight[connection] = sum over lags of ring * spikes
template <typename T, typename D>
void pull_weight(ffi::ThreadPool& pool, const Rows<T, D>& t, const T* ring, const T* spikes, const T* route_spikes,
                 int64_t lags, int64_t all_sources, bool one_weight, T* out) {
  const auto events = list_spikes(spikes, lags, all_sources, t.first_source, t.sources);
  const int64_t n = t.end(t.sources - 1);
  if (!one_weight) std::fill_n(out, n, T(0));
  std::vector<T> sums(one_weight ? events.size() : 0);
  const T one = 1;
  const int parts = parts_for(pool, n / std::max(t.sources, 1) * int64_t(events.size()), kGrain);
  parallel(pool, parts, [&](int part) {
    const int64_t from = cut(t.sources, part, parts), to = cut(t.sources, part + 1, parts);
    for (size_t k = 0; k < events.size(); ++k) {
      const auto& e = events[k];
      if (e.source < from || e.source >= to) continue;
      const T route = route_of(route_spikes[e.lag * all_sources + t.first_source + e.source]);
      if (one_weight) {
        sums[k] = e.amplitude * pull_row(t, ring, &one, true, route, e.lag, t.begin(e.source), t.end(e.source));
        continue;
      }
      const int32_t now = t.slot(e.lag, 0);
      for (int64_t j = t.begin(e.source); j < t.end(e.source); ++j) {
        const int32_t late = now + t.delay[t.one_delay ? 0 : j];
        const int64_t slot = late >= t.slots ? late - t.slots : late;
        const int32_t shift = t.inhibitory ? t.shift(route, j) : 0;
        out[j] += e.amplitude * ring[slot * t.columns + t.target[j] + shift];
      }
    }
  });
  if (!one_weight) return;
  T total = 0;
  for (const T sum : sums) total += sum;
  out[0] = total;
}

ffi::Error deliver(ffi::ThreadPool pool, ffi::AnyBuffer ring, ffi::AnyBuffer spikes, ffi::AnyBuffer weight,
                   ffi::AnyBuffer route_spikes, ffi::AnyBuffer route_weight, ffi::AnyBuffer first,
                   ffi::AnyBuffer row_ptr, ffi::AnyBuffer target, ffi::AnyBuffer delay, ffi::Result<ffi::AnyBuffer> out,
                   int64_t inhibitory, int64_t first_source, int64_t low, int64_t high, int64_t segments, int64_t shortest,
                   int64_t by_value) {
  if (out->untyped_data() != ring.untyped_data()) std::memcpy(out->untyped_data(), ring.untyped_data(), ring.size_bytes());
  return with_delays(ring.element_type(), delay.element_type(), [&](auto t, auto d) {
    using T = decltype(t);
    const auto rows = rows_of<T, decltype(d)>(ring, route_weight, first, row_ptr, target, delay, inhibitory, first_source,
                                                segments, shortest);
    push(pool, rows, out->typed_data<T>(), spikes.typed_data<T>(), weight.typed_data<T>(), route_spikes.typed_data<T>(),
         weight.element_count() == 1, by_value != 0, spikes.dimensions()[0], spikes.dimensions()[1], low, high);
  });
}

ffi::Error to_spikes(ffi::ThreadPool pool, ffi::AnyBuffer ring, ffi::AnyBuffer weight, ffi::AnyBuffer route_spikes,
                     ffi::AnyBuffer route_weight, ffi::AnyBuffer first, ffi::AnyBuffer row_ptr, ffi::AnyBuffer target,
                     ffi::AnyBuffer delay, ffi::Result<ffi::AnyBuffer> out, int64_t inhibitory, int64_t first_source, int64_t, int64_t,
                     int64_t segments, int64_t shortest, int64_t) {
  return with_delays(ring.element_type(), delay.element_type(), [&](auto t, auto d) {
    using T = decltype(t);
    const auto rows = rows_of<T, decltype(d)>(ring, route_weight, first, row_ptr, target, delay, inhibitory, first_source,
                                                segments, shortest);
    pull_spikes(pool, rows, ring.typed_data<T>(), weight.typed_data<T>(), route_spikes.typed_data<T>(),
                weight.element_count() == 1, out->dimensions()[0], out->dimensions()[1], out->typed_data<T>());
  });
}

ffi::Error to_weight(ffi::ThreadPool pool, ffi::AnyBuffer ring, ffi::AnyBuffer spikes, ffi::AnyBuffer route_spikes,
                     ffi::AnyBuffer route_weight, ffi::AnyBuffer first, ffi::AnyBuffer row_ptr, ffi::AnyBuffer target,
                     ffi::AnyBuffer delay, ffi::Result<ffi::AnyBuffer> out, int64_t inhibitory, int64_t first_source, int64_t, int64_t,
                     int64_t segments, int64_t shortest, int64_t) {
  return with_delays(ring.element_type(), delay.element_type(), [&](auto t, auto d) {
    using T = decltype(t);
    const auto rows = rows_of<T, decltype(d)>(ring, route_weight, first, row_ptr, target, delay, inhibitory, first_source,
                                                segments, shortest);
    pull_weight(pool, rows, ring.typed_data<T>(), spikes.typed_data<T>(), route_spikes.typed_data<T>(),
                spikes.dimensions()[0], spikes.dimensions()[1], out->element_count() == 1, out->typed_data<T>());
  });
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

// A sum of `n` buffers, with the attributes of a table.
#define JAXNEST_SUM(name, n)                                                                      \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_##name, jaxnest::name,                                    \
                                jaxnest::buffers<n>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())      \
                                    .Ret<ffi::AnyBuffer>()                                        \
                                    .Attr<int64_t>("inhibitory")                                  \
                                    .Attr<int64_t>("first_source")                                \
                                    .Attr<int64_t>("low")                                         \
                                    .Attr<int64_t>("high")                                        \
                                    .Attr<int64_t>("segments")                                    \
                                    .Attr<int64_t>("shortest")                                    \
                                    .Attr<int64_t>("by_value"))

JAXNEST_SUM(deliver, 9);
JAXNEST_SUM(to_spikes, 8);
JAXNEST_SUM(to_weight, 8);
