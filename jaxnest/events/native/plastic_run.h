// Delivery along plastic connections, and bringing them up to date (events/plastic.py). A thread takes a range of target
// columns, which it finds by bisection in each row, since rows are sorted by target; so no two threads share a synapse or
// a place of the ring, and results do not depend on their number.
//
// Compiled for each type by itself (plastic_float.cpp, plastic_double.cpp), which takes half the time.

#ifndef JAXNEST_PLASTIC_RUN_H_
#define JAXNEST_PLASTIC_RUN_H_

#include <cmath>
#include <vector>

#include "plastic.h"
#include "plastic_calls.h"
#include "spikes.h"

namespace jaxnest {
namespace {

#include "rules.inc"

constexpr int64_t kGrain = 2048;  // synapses worth a thread
constexpr int64_t kAhead = 1024;  // synapses of the next row that are fetched ahead; the processor finds the others itself

// Buffers in the order of events/plastic_native.py.
class Arguments {
 public:
  explicit Arguments(ffi::RemainingArgs args) : args_(args) {}
  ffi::AnyBuffer next() { return *args_.get<ffi::AnyBuffer>(place_++); }
  bool enough(size_t n) const { return args_.size() == n; }

 private:
  ffi::RemainingArgs args_;
  size_t place_ = 0;
};

template <typename T>
T* changed(ffi::AnyBuffer from, ffi::AnyBuffer to) {
  if (to.untyped_data() != from.untyped_data()) std::memcpy(to.untyped_data(), from.untyped_data(), from.size_bytes());
  return to.typed_data<T>();
}

// A table with room for the pointers to its states and parameters.
template <typename R, typename T>
struct Held {
  T* s[R::n_states + 1];
  const T* p[R::n_params + 1];
  bool one_p[R::n_params + 1];
  T h;
  Synapses<T> all;

  void take_parameters(Arguments& in) {
    h = in.next().typed_data<T>()[0];
    for (int k = 0; k < R::n_params; ++k) {
      const auto b = in.next();
      p[k] = b.typed_data<T>();
      one_p[k] = b.element_count() == 1;
    }
  }

  void take_rows(Arguments& in, const Attributes& a) {
    const auto row_ptr = in.next(), target = in.next(), delay = in.next();
    all = {row_ptr.typed_data<int32_t>(), target.typed_data<int32_t>(), delay.untyped_data(),
           static_cast<int>(delay.size_bytes() / delay.element_count()), delay.element_count() == 1,
           static_cast<int32_t>(row_ptr.element_count() - 1), static_cast<int32_t>(a.first_column),
           static_cast<int32_t>(a.n_post), static_cast<int32_t>(a.inhibitory), h, s, p, one_p, {}};
  }

  void take_log(Arguments& in, const Attributes& a) {
    const auto stamp = in.next(), K = in.next(), K_triplet = in.next(), rate = in.next(), rate_triplet = in.next();
    const int32_t* times = a.post_repeats ? in.next().typed_data<int32_t>() : nullptr;
    all.log = {stamp.typed_data<int32_t>(), K.typed_data<T>(), K_triplet.typed_data<T>(), rate.typed_data<T>(),
               rate_triplet.typed_data<T>(), times, static_cast<int32_t>(stamp.dimensions()[1]),
               rate.element_count() == 1, rate_triplet.element_count() == 1};
  }
};

// The first element of a sorted range that is not below x, searched from a guess outwards: targets are often spread evenly.
const int32_t* lower_bound_near(const int32_t* begin, const int32_t* end, int64_t x, double guess) {
  int64_t step = 8;
  const int32_t *low = begin + static_cast<int64_t>(guess * double(end - begin)), *high = low;
  while (low > begin && *(low - 1) >= x) {
    high = low - 1;
    low = step < low - begin ? low - step : begin;
    step *= 2;
  }
  for (step = 8; high < end && *high < x; step *= 2) {
    low = high + 1;
    high = step < end - high ? high + step : end;
  }
  return std::lower_bound(low, high, x);
}

// The spikes of the slice one by one, in order of (lag, source, repeat); `last` of their sources is brought up to date.
template <typename T>
std::vector<Arrival> arrivals(const T* spikes, int64_t lags, int64_t columns, const Synapses<T>& all, int64_t first_source,
                              int32_t first, int32_t* last, Word2 key, uint32_t stream) {
  std::vector<Arrival> out;
  for (const auto& spike : list_spikes(spikes, lags, columns, first_source, all.rows)) {
    const int32_t step = first + spike.lag;
    const int32_t times = std::max(1, static_cast<int32_t>(std::nearbyint(std::abs(spike.amplitude))));
    for (int32_t r = 0; r < times; ++r) {
      if (all.row_ptr[spike.source] < all.row_ptr[spike.source + 1])
        out.push_back({step, spike.source, last[spike.source], r, threefry(key, {stream, static_cast<uint32_t>(r)})});
      last[spike.source] = step + 1;
    }
  }
  return out;
}

template <typename R, typename T>
void deliver_rows(ffi::ThreadPool& pool, const Synapses<T>& all, const std::vector<Arrival>& events, int32_t done,
                  const Ring<T>& ring, int64_t low, int64_t high) {
  int64_t work = 0;
  for (const auto& e : events) work += all.row_ptr[e.row + 1] - all.row_ptr[e.row];
  const int parts = high > low ? parts_for(pool, work, kGrain) : 1;
  parallel(pool, parts, [&](int part) {
    const int64_t from = low + cut(high - low, part, parts), to = low + cut(high - low, part + 1, parts);
    struct Range {
      int64_t begin, end;
    };
    auto range = [&](size_t k) -> Range {
      const int64_t begin = all.row_ptr[events[k].row], end = all.row_ptr[events[k].row + 1];
      auto find = [&](int64_t x, int which) {
        return lower_bound_near(all.target + begin, all.target + end, x, double(which) / parts) - all.target;
      };
      return {part ? find(from, part) : begin, part + 1 < parts ? find(to, part + 1) : end};
    };
    auto fetch = [&](Range r) {
      for (int64_t j = r.begin; j < std::min(r.end, r.begin + kAhead); j += 64 / sizeof(T)) {
        for (int k = 0; k < R::n_states; ++k) __builtin_prefetch(all.s[k] + j, 1);
        __builtin_prefetch(all.target + j);
      }
    };
    const auto block = std::make_unique<Block<R, T>>(all);
    Range here = events.empty() ? Range{0, 0} : range(0);
    for (size_t k = 0; k < events.size(); ++k) {
      const Range next = k + 1 < events.size() ? range(k + 1) : Range{0, 0};
      fetch(next);
      block->arrive(events[k], done, ring, here.begin, here.end);
      here = next;
    }
  });
}

template <typename R, typename T>
ffi::Error deliver_with(ffi::ThreadPool& pool, Arguments in, ffi::RemainingRets out, const Attributes& a) {
  constexpr int n_log = R::reads_post ? 6 : 0;
  if (!in.enough(2 + R::n_states + R::n_params + 7 + n_log + (R::reads_post && a.post_repeats)))
    return ffi::Error::InvalidArgument("another number of buffers than the synapse model has");
  Held<R, T> held;
  held.take_parameters(in);
  held.take_rows(in, a);
  const auto spikes = in.next(), first = in.next(), key = in.next();
  int32_t done = 0;
  if constexpr (R::reads_post) {
    done = in.next().typed_data<int32_t>()[0];
    held.take_log(in, a);
  }
  const auto old_ring = in.next(), old_last = in.next();
  const Ring<T> ring{changed<T>(old_ring, **out.get<ffi::AnyBuffer>(0)), static_cast<int32_t>(old_ring.dimensions()[0]),
                     static_cast<int32_t>(old_ring.dimensions()[1]), a.counts_events != 0};
  int32_t* last = changed<int32_t>(old_last, **out.get<ffi::AnyBuffer>(1)) + a.first_source;
  for (int k = 0; k < R::n_states; ++k) held.s[k] = changed<T>(in.next(), **out.get<ffi::AnyBuffer>(2 + k));
  const uint32_t* words = key.typed_data<uint32_t>();
  const auto events = arrivals(spikes.typed_data<T>(), spikes.dimensions()[0], spikes.dimensions()[1], held.all,
                               a.first_source, first.typed_data<int32_t>()[0], last, {words[0], words[1]},
                               static_cast<uint32_t>(a.stream));
  deliver_rows<R, T>(pool, held.all, events, done, ring, a.low, a.high);
  return ffi::Error::Success();
}

template <typename R, typename T>
void update_rows(ffi::ThreadPool& pool, const Synapses<T>& all, const int32_t* last, int32_t done, int32_t now) {
  const int64_t n = all.row_ptr[all.rows];
  const int parts = parts_for(pool, n, kGrain);
  parallel(pool, parts, [&](int part) {
    auto row = [&](int k) {
      if (k == parts) return all.rows;
      return static_cast<int32_t>(std::lower_bound(all.row_ptr, all.row_ptr + all.rows, cut(n, k, parts)) - all.row_ptr);
    };
    const auto block = std::make_unique<Block<R, T>>(all);
    for (int32_t r = row(part); r < row(part + 1); ++r)
      block->update(last[r], done, now, all.row_ptr[r], all.row_ptr[r + 1]);
  });
}

template <typename R, typename T>
ffi::Error update_with(ffi::ThreadPool& pool, Arguments in, ffi::RemainingRets out, const Attributes& a) {
  if constexpr (!R::reads_post) {
    return ffi::Error::InvalidArgument("the synapse model does not read postsynaptic spikes");
  } else {
    if (!in.enough(R::n_states + R::n_params + 12 + (a.post_repeats != 0)))
      return ffi::Error::InvalidArgument("another number of buffers than the synapse model has");
    Held<R, T> held;
    held.take_parameters(in);
    held.take_rows(in, a);
    const int32_t* last = in.next().typed_data<int32_t>() + a.first_source;
    const int32_t now = in.next().typed_data<int32_t>()[0], done = in.next().typed_data<int32_t>()[0];
    held.take_log(in, a);
    for (int k = 0; k < R::n_states; ++k) held.s[k] = changed<T>(in.next(), **out.get<ffi::AnyBuffer>(k));
    update_rows<R, T>(pool, held.all, last, done, now);
    return ffi::Error::Success();
  }
}

// f(R{}) with the rule of the given number.
template <typename F>
ffi::Error with_rule(int64_t number, F&& f) {
  int64_t k = 0;
#define JAXNEST_TRY(R, mark) \
  if (k++ == number) return f(R{});
  JAXNEST_RULES(JAXNEST_TRY)
#undef JAXNEST_TRY
  return ffi::Error::InvalidArgument("no rule of this number");
}

}  // namespace

template <typename T>
ffi::Error plastic_of(ffi::ThreadPool& pool, ffi::RemainingArgs args, ffi::RemainingRets out, const Attributes& a) {
  return with_rule(a.rule, [&](auto r) { return deliver_with<decltype(r), T>(pool, Arguments(args), out, a); });
}

template <typename T>
ffi::Error up_to_date_of(ffi::ThreadPool& pool, ffi::RemainingArgs args, ffi::RemainingRets out, const Attributes& a) {
  return with_rule(a.rule, [&](auto r) { return update_with<decltype(r), T>(pool, Arguments(args), out, a); });
}

}  // namespace jaxnest

#endif  // JAXNEST_PLASTIC_RUN_H_
