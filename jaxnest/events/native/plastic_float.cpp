#include "plastic_run.h"

namespace jaxnest {

template ffi::Error plastic_of<float>(ffi::ThreadPool&, ffi::RemainingArgs, ffi::RemainingRets, const Attributes&);
template ffi::Error up_to_date_of<float>(ffi::ThreadPool&, ffi::RemainingArgs, ffi::RemainingRets, const Attributes&);

}  // namespace jaxnest

// The marks of the rules, in the order of their numbers.
extern "C" const char* jaxnest_rule_marks() {
#define JAXNEST_MARK(R, mark) mark " "
  return JAXNEST_RULES(JAXNEST_MARK);
#undef JAXNEST_MARK
}
