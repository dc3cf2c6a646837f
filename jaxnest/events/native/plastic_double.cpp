#include "plastic_run.h"

namespace jaxnest {

template ffi::Error plastic_of<double>(ffi::ThreadPool&, ffi::RemainingArgs, ffi::RemainingRets, const Attributes&);
template ffi::Error up_to_date_of<double>(ffi::ThreadPool&, ffi::RemainingArgs, ffi::RemainingRets, const Attributes&);

}  // namespace jaxnest
