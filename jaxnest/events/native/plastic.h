// One row of a plastic table, in blocks of synapses: what rules (rules.inc), logs and the ring have to do with each other.
// A block is copied to local arrays, one a state, so that the rules, which have no branches, become vector instructions.
#pragma once

#include <algorithm>
#include <cstring>

#include "elementary.h"
#include "parallel.h"
#include "threefry.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace jaxnest {

constexpr int kBlock = 256, kLanes = 8, kAway = 16;  // synapses; kAway: how far ahead their logs are fetched

// The postsynaptic spikes that are remembered: `length` a neuron, the last one first. Places without a spike have a stamp
// before all others and traces of 0.
template <typename T>
struct Log {
  const int32_t* stamp;
  const T *K, *K_triplet, *rate, *rate_triplet;
  const int32_t* times;  // null: all are 1
  int32_t length;
  bool one_rate, one_rate_triplet;
};

// What is the same for all rows of a table.
template <typename T>
struct Synapses {
  const int32_t *row_ptr, *target;
  const void* delay;
  int delay_bytes;
  bool one_delay;
  int32_t rows, first_column, n_post, inhibitory;
  T h;
  T* const* s;
  const T* const* p;
  const bool* one_p;
  Log<T> log;

  void load_delays(int64_t start, int m, int32_t* out) const {
    switch (delay_bytes) {
      case 1: return copy(static_cast<const uint8_t*>(delay), start, m, out);
      case 2: return copy(static_cast<const uint16_t*>(delay), start, m, out);
      default: return copy(static_cast<const uint32_t*>(delay), start, m, out);
    }
  }

 private:
  template <typename D>
  void copy(const D* d, int64_t start, int m, int32_t* out) const {
    if (one_delay) std::fill_n(out, m, static_cast<int32_t>(d[0]));
    else for (int i = 0; i < m; ++i) out[i] = static_cast<int32_t>(d[start + i]);
  }
};

// Where the events of a block go.
template <typename T>
struct Ring {
  T* data;
  int32_t slots, columns;
  bool counts_events;
};

// A presynaptic spike: the stamp before it of the same source (0: none), which of several at one time it is, and its key.
struct Arrival {
  int32_t step, row, last, repeat;
  Word2 key;
};

// How many of the last spikes of a neuron have stamps > upto, > after, >= upto.
struct Counts {
  int later, earlier, not_before;
};

inline Counts count_more(const int32_t* stamp, int length, int32_t after, int32_t upto, Counts c) {
  while (c.later < length && stamp[c.later] > upto) ++c.later;
  c.earlier = std::max(c.earlier, c.later);
  while (c.earlier < length && stamp[c.earlier] > after) ++c.earlier;
  c.not_before = std::max(c.not_before, c.later);
  while (c.not_before < length && stamp[c.not_before] >= upto) ++c.not_before;
  return c;
}

inline Counts count_spikes(const int32_t* stamp, int length, int32_t after, int32_t upto) {
#if defined(__AVX2__)
  if (length < kLanes) return count_more(stamp, length, after, upto, {0, 0, 0});
  const __m256i newest = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(stamp));
  auto above = [&](int32_t x) {
    const __m256i more = _mm256_cmpgt_epi32(newest, _mm256_set1_epi32(x));
    return __builtin_popcount(_mm256_movemask_ps(_mm256_castsi256_ps(more)));
  };
  const Counts c{above(upto), above(after), above(upto - 1)};
  if (__builtin_expect(std::max(c.earlier, c.not_before) == kLanes, 0)) return count_more(stamp, length, after, upto, c);
  return c;
#else
  return count_more(stamp, length, after, upto, {0, 0, 0});
#endif
}

// All that rules read lies in arrays, also where it is one number: GCC makes no vector instructions of a selection whose
// condition is the same in all rounds of a loop.
template <typename R, typename T>
class Block {
 public:
  explicit Block(const Synapses<T>& all) : all_(all) {
    for (int k = 0; k < R::n_params; ++k) {
      std::fill_n(p_[k], kBlock, all.p[k][0]);
      std::fill_n(dense_p_[k], kBlock, all.p[k][0]);
    }
  }

  // A presynaptic spike at the synapses `begin` ... `end` of its row.
  void arrive(const Arrival& a, int32_t done, const Ring<T>& ring, int64_t begin, int64_t end) {
    const int widest = static_cast<int>(std::min<int64_t>(kBlock, end - begin));
    std::fill_n(since_last_, padded(widest), T(a.step + 1 - a.last) * all_.h);
    std::fill_n(first_, padded(widest), T(a.last == 0));
    for (int64_t start = begin; start < end; start += kBlock) {
      const int m = static_cast<int>(std::min<int64_t>(kBlock, end - start));
      load(start, m, R::reads);
      if constexpr (R::reads_post) catch_up(m, std::max(a.last, done), a.step + 1, a.last, true);
      if constexpr (R::stochastic)
        for (int i = 0; i < m; ++i)
          uniform_[i] = to_uniform<T>(threefry(a.key, {static_cast<uint32_t>(start + i), static_cast<uint32_t>(a.step)}));
      send(m, ring.counts_events);
      store(start, m, R::writes);
      add(m, a.step, ring);
    }
  }

  // Brings the synapses up to date with the postsynaptic spikes that have reached them by the stamp `now`.
  void update(int32_t last, int32_t done, int32_t now, int64_t begin, int64_t end) {
    for (int64_t start = begin; start < end; start += kBlock) {
      const int m = static_cast<int>(std::min<int64_t>(kBlock, end - start));
      load(start, m, R::post_reads);
      catch_up(m, std::max(last, done), now, last, false);
      store(start, m, R::post_writes);
    }
  }

 private:
  static constexpr int ns = R::n_states > 0 ? R::n_states : 1, np = R::n_params > 0 ? R::n_params : 1;
  static constexpr unsigned moved = R::post_reads | R::post_writes;

  static int padded(int m) { return (m + kLanes - 1) / kLanes * kLanes; }

  void load(int64_t start, int m, unsigned mask) {
    for (int k = 0; k < R::n_states; ++k)
      if (mask >> k & 1) std::memcpy(s_[k], all_.s[k] + start, m * sizeof(T));
    for (int k = 0; k < R::n_params; ++k)
      if (!all_.one_p[k]) std::memcpy(p_[k], all_.p[k] + start, m * sizeof(T));
    std::memcpy(column_, all_.target + start, m * sizeof(int32_t));
    all_.load_delays(start, m, delay_);
  }

  void store(int64_t start, int m, unsigned mask) {
    for (int k = 0; k < R::n_states; ++k)
      if (mask >> k & 1) std::memcpy(all_.s[k] + start, s_[k], m * sizeof(T));
  }

  // `on_post` for the spikes with stamps in (after, upto], less the delay; and the traces just before `upto` less the delay.
  void catch_up(int m, int32_t after, int32_t upto, int32_t last, bool traces) {
    const Log<T>& log = all_.log;
    int n = 0;
    for (int i = 0; i < m; ++i) {
      if (i + kAway < m) {
        const int64_t later = int64_t(column_[i + kAway] - all_.first_column) * log.length;
        __builtin_prefetch(log.stamp + later);
        if (R::pre_K) __builtin_prefetch(log.K + later);
      }
      int32_t post = column_[i] - all_.first_column;
      if (__builtin_expect(post >= all_.n_post, 0)) post %= all_.n_post;
      const int32_t delay = delay_[i];
      const int64_t base = int64_t(post) * log.length;
      const int32_t* stamp = log.stamp + base;
      const Counts c = count_spikes(stamp, log.length, after - delay, upto - delay);
      const int pending = c.earlier - c.later;
      post_[i] = post;
      left_[i] = pending;
      place_[i] = base + c.earlier - 1;
      waiting_[n] = i;
      n += pending > 0;
      if (traces) {
        const bool there = c.not_before < log.length;
        const int64_t before = there ? c.not_before : 0;
        steps_[i] = there ? upto - delay - stamp[before] : 0;
        if (R::pre_K) K_[i] = there ? log.K[base + before] : T(0);
        if (R::pre_nearest) nearest_[i] = there ? T(1) : T(0);
        if (R::pre_K_triplet) K_triplet_[i] = there ? log.K_triplet[base + before] : T(0);
      }
    }
    if (log.times) {
      again_all(n, last);
    } else {
      while (n) n = one_round(n, last);
    }
    if (!traces) return;
    if (R::pre_K) decay(m, K_, log.rate, log.one_rate);
    if (R::pre_nearest) decay(m, nearest_, log.rate, log.one_rate);
    if (R::pre_K_triplet) decay(m, K_triplet_, log.rate_triplet, log.one_rate_triplet);
  }

  void decay(int m, T* __restrict K, const T* rate, bool one_rate) {
    const int end = padded(m);
    if (one_rate) {
      const T r = rate[0];
      for (int i = 0; i < end; ++i) K[i] = K[i] * exp(-T(steps_[i]) * r);
    } else {
      for (int i = 0; i < m; ++i) dense_since_[i] = rate[post_[i]];
      for (int i = 0; i < end; ++i) K[i] = K[i] * exp(-T(steps_[i]) * dense_since_[i]);
    }
  }

  // The next spike of each of the first n that wait; returns how many wait for another.
  int one_round(int n, int32_t last) {
    const Log<T>& log = all_.log;
    for (int e = 0; e < n; ++e) {
      const int i = waiting_[e];
      dense_steps_[e] = log.stamp[place_[i]] + (delay_[i] - last);
      if (R::post_K_triplet) dense_K_triplet_[e] = log.K_triplet[place_[i]] - T(1);
    }
    apply(n);
    int more = 0;
    for (int e = 0; e < n; ++e) {
      const int i = waiting_[e];
      --place_[i];
      waiting_[more] = i;
      more += --left_[i] > 0;
    }
    return more;
  }

  // The same where a spike may be several at one time.
  void again_all(int n, int32_t last) {
    const Log<T>& log = all_.log;
    std::fill_n(repeat_, kBlock, 0);
    auto skip_silent = [&](int count) {
      int more = 0;
      for (int e = 0; e < count; ++e) {
        const int i = waiting_[e];
        while (left_[i] > 0 && repeat_[i] >= log.times[place_[i]]) --place_[i], --left_[i], repeat_[i] = 0;
        waiting_[more] = i;
        more += left_[i] > 0;
      }
      return more;
    };
    for (n = skip_silent(n); n; n = skip_silent(n)) {
      for (int e = 0; e < n; ++e) {
        const int i = waiting_[e];
        dense_steps_[e] = log.stamp[place_[i]] + (delay_[i] - last);
        if (R::post_K_triplet)
          dense_K_triplet_[e] = log.K_triplet[place_[i]] - T(log.times[place_[i]]) + T(repeat_[i]);
        ++repeat_[i];
      }
      apply(n);
    }
  }

  // `on_post` at the first n that wait.
  void apply(int n) {
    for (int k = 0; k < R::n_states; ++k)
      if (moved >> k & 1)
        for (int e = 0; e < n; ++e) dense_s_[k][e] = s_[k][waiting_[e]];
    for (int k = 0; k < R::n_params; ++k)
      if (!all_.one_p[k])
        for (int e = 0; e < n; ++e) dense_p_[k][e] = p_[k][waiting_[e]];
    const int end = padded(n);
    const T h = all_.h;
    for (int e = 0; e < end; ++e) {
      T s[ns], p[np];
      for (int k = 0; k < R::n_params; ++k) p[k] = dense_p_[k][e];
      for (int k = 0; k < R::n_states; ++k)
        if (moved >> k & 1) s[k] = dense_s_[k][e];
      R::on_post(p, s, T(dense_steps_[e]) * h, R::post_K_triplet ? dense_K_triplet_[e] : T(0));
      for (int k = 0; k < R::n_states; ++k)
        if (R::post_writes >> k & 1) dense_s_[k][e] = s[k];
    }
    for (int k = 0; k < R::n_states; ++k)
      if (R::post_writes >> k & 1)
        for (int e = 0; e < n; ++e) s_[k][waiting_[e]] = dense_s_[k][e];
  }

  void send(int m, bool counts_events) {
    const int end = padded(m);
    for (int i = 0; i < end; ++i) {
      T s[ns], p[np], weight, passed = T(1);
      for (int k = 0; k < R::n_params; ++k) p[k] = p_[k][i];
      for (int k = 0; k < R::n_states; ++k)
        if (R::reads >> k & 1) s[k] = s_[k][i];
      R::on_pre(p, s, since_last_[i], first_[i] != T(0), R::pre_K ? K_[i] : T(0), R::pre_K_triplet ? K_triplet_[i] : T(0),
                R::pre_nearest ? nearest_[i] : T(0), R::stochastic ? uniform_[i] : T(0), weight, passed);
      for (int k = 0; k < R::n_states; ++k)
        if (R::writes >> k & 1) s_[k][i] = s[k];
      weight_[i] = weight;
      value_[i] = passed;
    }
    if (!counts_events)
      for (int i = 0; i < end; ++i) value_[i] *= weight_[i];
  }

  void add(int m, int32_t step, const Ring<T>& ring) {
    const int32_t now = step % ring.slots, inhibitory = all_.inhibitory;
    const int32_t slots = ring.slots, columns = ring.columns, end = padded(m);
    for (int i = 0; i < end; ++i) {
      const int32_t late = now + delay_[i];
      const int32_t slot = late >= slots ? late - slots : late;
      column_[i] += slot * columns + (weight_[i] < T(0) ? inhibitory : 0);
    }
    T* const data = ring.data;
    for (int i = 0; i < m; ++i) data[column_[i]] += value_[i];
  }

  const Synapses<T>& all_;
  // Padding is computed with, and forgotten: so all places hold numbers from the start.
  alignas(64) T s_[ns][kBlock] = {}, p_[np][kBlock] = {};
  alignas(64) T K_[kBlock] = {}, K_triplet_[kBlock] = {}, nearest_[kBlock] = {}, uniform_[kBlock] = {}, weight_[kBlock], value_[kBlock];
  alignas(64) T dense_s_[ns][kBlock] = {}, dense_p_[np][kBlock] = {}, dense_since_[kBlock] = {}, dense_K_triplet_[kBlock] = {};
  alignas(64) T since_last_[kBlock] = {}, first_[kBlock] = {};
  alignas(64) int32_t column_[kBlock] = {}, delay_[kBlock] = {}, post_[kBlock], steps_[kBlock] = {}, dense_steps_[kBlock] = {};
  alignas(64) int32_t waiting_[kBlock], left_[kBlock], repeat_[kBlock];
  alignas(64) int64_t place_[kBlock];
};

}  // namespace jaxnest
