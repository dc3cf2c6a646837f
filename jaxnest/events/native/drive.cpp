// What generators put out, added to the ring.

#include "parallel.h"

namespace jaxnest {
namespace {

constexpr int64_t kGrain = 8192;  // targets worth a thread

// One step of a generator's connections. column: one for each, or that of the first of consecutive targets.
template <typename T>
struct Drive {
  const T *output, *weight;
  const int32_t *column, *delay;
  T* ring;
  bool one_weight, block, one_delay;
  int32_t step, slots, columns, inhibitory;

  void add(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const T w = weight[one_weight ? 0 : i];
      const int64_t slot = (int64_t(step) + delay[one_delay ? 0 : i]) % slots;
      ring[slot * columns + (block ? column[0] + i : column[i]) + (w < T(0) ? inhibitory : 0)] += output[i] * w;
    }
  }

  // Consecutive targets with one delay: a row of the ring, of which threads take parts.
  void add_block(int64_t begin, int64_t end) const {
    T* excited = ring + (int64_t(step) + delay[0]) % slots * columns + column[0];
    T* inhibited = excited + inhibitory;
    if (one_weight) {
      const T w = weight[0];
      T* row = w < T(0) ? inhibited : excited;
      for (int64_t i = begin; i < end; ++i) row[i] += output[i] * w;
    } else {
      for (int64_t i = begin; i < end; ++i) (weight[i] < T(0) ? inhibited : excited)[i] += output[i] * weight[i];
    }
  }
};

ffi::Error drive(ffi::ThreadPool pool, ffi::AnyBuffer output, ffi::AnyBuffer weight, ffi::AnyBuffer column,
                 ffi::AnyBuffer delay, ffi::AnyBuffer step, ffi::AnyBuffer, ffi::Result<ffi::AnyBuffer> ring,
                 int64_t inhibitory) {
  const int64_t n = output.element_count();
  auto run = [&](auto type) {
    using T = decltype(type);
    const Drive<T> d{output.typed_data<T>(),
                     weight.typed_data<T>(),
                     column.typed_data<int32_t>(),
                     delay.typed_data<int32_t>(),
                     ring->typed_data<T>(),
                     weight.element_count() == 1,
                     column.element_count() == 1,
                     delay.element_count() == 1,
                     step.typed_data<int32_t>()[0],
                     static_cast<int32_t>(ring->dimensions()[0]),
                     static_cast<int32_t>(ring->dimensions()[1]),
                     static_cast<int32_t>(inhibitory)};
    if (!d.block || !d.one_delay) return d.add(0, n);
    const int parts = parts_for(pool, n, kGrain);
    parallel(pool, parts, [&](int part) { d.add_block(cut(n, part, parts), cut(n, part + 1, parts)); });
  };
  return with_real(ring->element_type(), run);
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_drive, jaxnest::drive,
                              jaxnest::buffers<6>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("inhibitory"));
