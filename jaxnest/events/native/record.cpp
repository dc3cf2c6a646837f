// Spikes of a slice appended to a recording.

#include "parallel.h"
#include "spikes.h"

namespace jaxnest {
namespace {

// pending (lags, columns); wanted (n) flags of the first n columns; `from` <= lag < `to`; `first`: step of lag 0.
// steps, sources, multiplicities and count grow in place; the caller has made sure that there is room.
ffi::Error record(ffi::AnyBuffer pending, ffi::AnyBuffer wanted, ffi::AnyBuffer first, ffi::AnyBuffer from,
                  ffi::AnyBuffer to, ffi::AnyBuffer, ffi::AnyBuffer, ffi::AnyBuffer, ffi::AnyBuffer,
                  ffi::Result<ffi::AnyBuffer> steps, ffi::Result<ffi::AnyBuffer> sources,
                  ffi::Result<ffi::AnyBuffer> multiplicities, ffi::Result<ffi::AnyBuffer> count) {
  const int64_t columns = pending.dimensions()[1], n = wanted.element_count(), room = steps->element_count();
  const bool* keep = wanted.typed_data<bool>();
  int32_t& done = count->typed_data<int32_t>()[0];
  bool full = false;
  auto run = [&](auto type) {
    using T = decltype(type);
    for (int32_t lag = from.typed_data<int32_t>()[0]; lag < to.typed_data<int32_t>()[0]; ++lag) {
      const T* row = pending.typed_data<T>() + lag * columns;
      each_nonzero(row, n, [&](int64_t i) {
        if (!keep[i]) return;
        if (done >= room) {
          full = true;
          return;
        }
        steps->typed_data<int32_t>()[done] = first.typed_data<int32_t>()[0] + lag + 1;
        sources->typed_data<int32_t>()[done] = static_cast<int32_t>(i);
        multiplicities->typed_data<T>()[done++] = row[i];
      });
    }
  };
  const ffi::Error fault = with_real(pending.element_type(), run);
  if (fault.failure()) return fault;
  return full ? ffi::Error::Internal("the recording is full") : ffi::Error::Success();
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_record, jaxnest::record,
                              jaxnest::buffers<9>(ffi::Ffi::Bind())
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());
