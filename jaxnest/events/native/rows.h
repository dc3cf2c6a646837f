// The connections of a table, and what calls about them have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "parallel.h"

namespace jaxnest {

// The connections of a table, and how events find their place.
template <typename T, typename D>
struct Rows {
  const int32_t* row_ptr;
  const int32_t* target;
  const D* delay;
  const T* route;  // routes by the sign of this, times the route of the spike
  bool one_delay, one_route;
  int32_t sources, first_source, slots, columns, inhibitory, first;
  int32_t segments, shortest;  // of each row, segment k with the delay shortest + k (1 segment: no such order)

  int64_t begin(int32_t source) const { return row_ptr[int64_t(source) * segments]; }
  int64_t end(int32_t source) const { return row_ptr[int64_t(source + 1) * segments]; }

  int32_t slot(int32_t lag, int32_t d) const {
    const int32_t now = static_cast<int32_t>((int64_t(first) + lag) % slots) + d;
    return now >= slots ? now - slots : now;
  }
  // What routing adds to a column.
  int32_t shift(T route_of_spike, int64_t j) const {
    return route_of_spike * route[one_route ? 0 : j] < T(0) ? inhibitory : 0;
  }
};

template <typename T>
T route_of(T spike) {
  return spike == T(0) ? T(1) : spike;
}

// Connections from `begin` to `end`, sorted by target, with low <= target < high.
inline std::pair<int64_t, int64_t> within(const int32_t* target, int64_t begin, int64_t end, int64_t low, int64_t high) {
  const int32_t* const first = std::lower_bound(target + begin, target + end, low);
  return {first - target, std::lower_bound(first, target + end, high) - target};
}

// The connections of a table in the buffers of a call, of which events go to `ring` and are routed by the sign of `route`.
template <typename T, typename D>
Rows<T, D> rows_of(ffi::AnyBuffer ring, ffi::AnyBuffer route, ffi::AnyBuffer first, ffi::AnyBuffer row_ptr,
                   ffi::AnyBuffer target, ffi::AnyBuffer delay, int64_t inhibitory, int64_t first_source, int64_t segments,
                   int64_t shortest) {
  return {row_ptr.typed_data<int32_t>(),
          target.typed_data<int32_t>(),
          delay.typed_data<D>(),
          route.typed_data<T>(),
          delay.element_count() == 1,
          route.element_count() == 1,
          static_cast<int32_t>((row_ptr.element_count() - 1) / segments),
          static_cast<int32_t>(first_source),
          static_cast<int32_t>(ring.dimensions()[0]),
          static_cast<int32_t>(ring.dimensions()[1]),
          static_cast<int32_t>(inhibitory),
          first.typed_data<int32_t>()[0],
          static_cast<int32_t>(segments),
          static_cast<int32_t>(shortest)};
}

// Calls f(T{}, D{}) with the types of the ring and of the delays.
template <typename F>
ffi::Error with_delays(ffi::DataType real, ffi::DataType delay, F&& f) {
  if (delay != ffi::DataType::U8 && delay != ffi::DataType::U16 && delay != ffi::DataType::U32)
    return ffi::Error::InvalidArgument("delays must be unsigned integers");
  return with_real(real, [&](auto t) {
    if (delay == ffi::DataType::U8)
      f(t, uint8_t{});
    else if (delay == ffi::DataType::U16)
      f(t, uint16_t{});
    else
      f(t, uint32_t{});
  });
}

}  // namespace jaxnest
