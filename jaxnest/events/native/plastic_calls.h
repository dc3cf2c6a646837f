// What plastic.cpp calls, by type.

#ifndef JAXNEST_PLASTIC_CALLS_H_
#define JAXNEST_PLASTIC_CALLS_H_

#include <cstdint>

#include "xla/ffi/api/ffi.h"

namespace jaxnest {

namespace ffi = xla::ffi;

struct Attributes {
  int64_t rule, first_source, low, high, inhibitory, first_column, n_post, stream, counts_events, post_repeats;
};

template <typename T>
ffi::Error plastic_of(ffi::ThreadPool& pool, ffi::RemainingArgs args, ffi::RemainingRets out, const Attributes& a);

template <typename T>
ffi::Error up_to_date_of(ffi::ThreadPool& pool, ffi::RemainingArgs args, ffi::RemainingRets out, const Attributes& a);

}  // namespace jaxnest

#endif  // JAXNEST_PLASTIC_CALLS_H_
