// The log of postsynaptic spikes (events/history.py): a spike moves those before it one place on, and goes first.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "elementary.h"
#include "parallel.h"
#include "spikes.h"

namespace jaxnest {
namespace {

constexpr int64_t kGrain = 1 << 17;  // places of the spike array worth a thread

template <typename T>
struct Out {
  int32_t* stamp;
  T *K, *K_triplet;
  int32_t *count, *times;  // times: null if all are 1
  int64_t length;
};

template <typename X>
void put_first(X* row, int64_t used, X x) {
  std::memmove(row + 1, row, used * sizeof(X));
  row[0] = x;
}

template <typename T>
void append(const Out<T>& log, int64_t i, int32_t stamp, T amplitude, T rate, T rate_triplet) {
  const int64_t place = i * log.length;
  const int32_t before = log.count[i]++;
  const int64_t used = std::min<int64_t>(before, log.length - 1);
  const T m = log.times ? amplitude : T(1), steps = T(stamp - log.stamp[place]);
  const T K = (before ? log.K[place] * exp(-steps * rate) : T(0)) + m;
  const T K_triplet = (before ? log.K_triplet[place] * exp(-steps * rate_triplet) : T(0)) + m;
  put_first(log.stamp + place, used, stamp);
  put_first(log.K + place, used, K);
  put_first(log.K_triplet + place, used, K_triplet);
  if (log.times) put_first(log.times + place, used, static_cast<int32_t>(std::nearbyint(m)));
}

template <typename X>
X* changed(ffi::AnyBuffer from, ffi::AnyBuffer to) {
  if (to.untyped_data() != from.untyped_data()) std::memcpy(to.untyped_data(), from.untyped_data(), from.size_bytes());
  return to.typed_data<X>();
}

template <typename T>
ffi::Error log_spikes_of(ffi::ThreadPool& pool, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  auto in = [&](size_t k) -> ffi::AnyBuffer { return *args.get<ffi::AnyBuffer>(k); };
  auto out = [&](size_t k) -> ffi::AnyBuffer { return **rets.get<ffi::AnyBuffer>(k); };
  const ffi::AnyBuffer steps = in(1), spikes = in(0), rates = in(2), rates_triplet = in(3);
  const T *rate = rates.typed_data<T>(), *rate_triplet = rates_triplet.typed_data<T>();
  const bool multiple = rets.size() == 5;
  const Out<T> log{changed<int32_t>(in(4), out(0)), changed<T>(in(5), out(1)), changed<T>(in(6), out(2)),
                   changed<int32_t>(in(7), out(3)), multiple ? changed<int32_t>(in(8), out(4)) : nullptr,
                   in(4).dimensions()[1]};
  const int32_t first = steps.typed_data<int32_t>()[0];
  const int64_t lags = spikes.dimensions()[0], n = spikes.dimensions()[1];
  const bool one = rates.element_count() == 1, one_triplet = rates_triplet.element_count() == 1;
  const int parts = parts_for(pool, lags * n, kGrain);
  parallel(pool, parts, [&](int part) {
    const int64_t from = cut(n, part, parts), to = cut(n, part + 1, parts);
    for (int64_t lag = 0; lag < lags; ++lag) {
      const T* row = spikes.typed_data<T>() + lag * n + from;
      each_nonzero(row, to - from, [&](int64_t k) {
        const int64_t i = from + k;
        append(log, i, static_cast<int32_t>(first + lag + 1), row[k], rate[one ? 0 : i],
               rate_triplet[one_triplet ? 0 : i]);
      });
    }
  });
  return ffi::Error::Success();
}

ffi::Error log_spikes(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets) {
  if (args.size() != rets.size() + 4 || rets.size() < 4) return ffi::Error::InvalidArgument("not the buffers of a log");
  const bool is_double = args.get<ffi::AnyBuffer>(0)->element_type() == ffi::DataType::F64;
  return is_double ? log_spikes_of<double>(pool, args, rets) : log_spikes_of<float>(pool, args, rets);
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_log_spikes, jaxnest::log_spikes,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().RemainingArgs().RemainingRets());
