// Delivery along plastic connections, and bringing them up to date: what XLA calls. What they do is in plastic_run.h.

#include "plastic_calls.h"

namespace jaxnest {
namespace {

// The first buffer is h; all floats are of its type.
bool is_double(ffi::RemainingArgs args) { return args.get<ffi::AnyBuffer>(0)->element_type() == ffi::DataType::F64; }

ffi::Error plastic(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets out, int64_t rule,
                   int64_t first_source, int64_t low, int64_t high, int64_t inhibitory, int64_t first_column,
                   int64_t n_post, int64_t stream, int64_t counts_events, int64_t post_repeats) {
  const Attributes a{rule, first_source, low, high, inhibitory, first_column, n_post, stream, counts_events, post_repeats};
  return is_double(args) ? plastic_of<double>(pool, args, out, a) : plastic_of<float>(pool, args, out, a);
}

ffi::Error up_to_date(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets out, int64_t rule,
                      int64_t first_source, int64_t low, int64_t high, int64_t inhibitory, int64_t first_column,
                      int64_t n_post, int64_t stream, int64_t counts_events, int64_t post_repeats) {
  const Attributes a{rule, first_source, low, high, inhibitory, first_column, n_post, stream, counts_events, post_repeats};
  return is_double(args) ? up_to_date_of<double>(pool, args, out, a) : up_to_date_of<float>(pool, args, out, a);
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

#define JAXNEST_TABLE(name)                                                     \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_##name, jaxnest::name,                  \
                                ffi::Ffi::Bind()                                \
                                    .Ctx<ffi::ThreadPool>()                     \
                                    .RemainingArgs()                            \
                                    .RemainingRets()                            \
                                    .Attr<int64_t>("rule")                      \
                                    .Attr<int64_t>("first_source")              \
                                    .Attr<int64_t>("low")                       \
                                    .Attr<int64_t>("high")                      \
                                    .Attr<int64_t>("inhibitory")                \
                                    .Attr<int64_t>("first_column")              \
                                    .Attr<int64_t>("n_post")                    \
                                    .Attr<int64_t>("stream")                    \
                                    .Attr<int64_t>("counts_events")             \
                                    .Attr<int64_t>("post_repeats"))

JAXNEST_TABLE(plastic);
JAXNEST_TABLE(up_to_date);
