// One step of all neurons of a model: reads and clears their columns of the ring, runs the model's step (steps.inc), writes
// their spikes into the slice's. Steps have no branches, so that the loop over neurons becomes vector instructions.

#include <algorithm>
#include <atomic>
#include <cstring>

#include "elementary.h"
#include "parallel.h"
#include "threefry.h"

namespace jaxnest {
namespace {

#include "steps.inc"

constexpr int kSize = 64;            // neurons of a block
constexpr int64_t kGrain = 3072;     // neurons worth a thread
constexpr uint32_t kNeuronStream = 1;  // simulation/_step.py

template <typename T>
struct Uniform {
  Word2 key;
  uint32_t ident, step;
  JAXNEST_INLINE T operator()(uint32_t draw) const {
    return to_uniform<T>(threefry(threefry(key, {kNeuronStream, draw}), {ident, step}));
  }
};

// The arrays of a call. A column of -1: there is no such input.
template <typename T>
struct Arrays {
  const T* const* params;
  const T* const* constants;
  const int32_t* const* integer_constants;
  const int64_t* param_sizes;
  const int64_t* constant_sizes;
  void* const* states;
  T* row;      // of the ring, now
  T* pending;  // of this step
  const int32_t* ids;
  Word2 key;
  int32_t step;
  T h;
  int64_t column, inhibitory, current, filtered;
};

// Returns whether all states of the neurons begin ... end are finite.
template <typename M, bool c0, bool c1, typename T>
bool run(const Arrays<T>& a, int64_t begin, int64_t end) {
  constexpr int P = M::n_params, K = M::n_constants, S = M::n_states;
  // a value that all neurons share stands in a row of its own, so that all are read alike
  T p_rows[P + 1][kSize], k_rows[K + 1][kSize], none[kSize] = {};
  T unread[kSize];
  for (int i = 0; i < P; ++i) std::fill_n(p_rows[i], kSize, a.params[i][0]);
  for (int i = 0; i < K; ++i)
    std::fill_n(k_rows[i], kSize, a.constants[i] ? a.constants[i][0] : T(a.integer_constants[i][0]));
  int bad = 0;
  for (int64_t at = begin; at < end; at += kSize) {
    const int m = static_cast<int>(std::min<int64_t>(kSize, end - at));
    const T *p[P + 1], *k[K + 1];
    void* states[S];
    for (int i = 0; i < P; ++i) p[i] = a.param_sizes[i] > 1 ? a.params[i] + at : p_rows[i];
    for (int i = 0; i < K; ++i) {
      if (a.constant_sizes[i] > 1 && !a.constants[i])
        for (int l = 0; l < m; ++l) k_rows[i][l] = T(a.integer_constants[i][at + l]);
      k[i] = a.constant_sizes[i] > 1 && a.constants[i] ? a.constants[i] + at : k_rows[i];
    }
    for (int i = 0; i < S; ++i)
      states[i] = static_cast<char*>(a.states[i]) + at * (M::integers >> i & 1 ? sizeof(int32_t) : sizeof(T));
    T *excited = a.row + a.column + at, *inhibited = M::by_sign ? a.row + a.column + a.inhibitory + at : unread;
    T *current = a.current < 0 ? unread : a.row + a.current + at, *filtered = a.filtered < 0 ? unread : a.row + a.filtered + at;
    const T *current_in = a.current < 0 ? none : current, *filtered_in = a.filtered < 0 ? none : filtered;
    T* fired = a.pending + at;
    const int32_t* ids = a.ids + at;
#pragma GCC ivdep
    for (int l = 0; l < m; ++l) {
      T mine_p[P + 1], mine_k[K + 1], s[S];
#pragma GCC unroll 64
      for (int i = 0; i < P; ++i) mine_p[i] = p[i][l];
#pragma GCC unroll 64
      for (int i = 0; i < K; ++i) mine_k[i] = k[i][l];
#pragma GCC unroll 64
      for (int i = 0; i < S; ++i)
        s[i] = M::integers >> i & 1 ? T(static_cast<int32_t*>(states[i])[l]) : static_cast<T*>(states[i])[l];
      const Uniform<T> uniform{a.key, static_cast<uint32_t>(ids[l]), static_cast<uint32_t>(a.step)};
      const T first = excited[l], second = M::by_sign ? inhibited[l] : T(0);
      T spike;
      M::template step<c0, c1, T>(mine_p, mine_k, s, first, second, first, current_in[l], filtered_in[l], a.h, uniform, spike);
      T sum = 0;
#pragma GCC unroll 64
      for (int i = 0; i < S; ++i) {
        if (M::integers >> i & 1) {
          static_cast<int32_t*>(states[i])[l] = static_cast<int32_t>(s[i]);
        } else {
          static_cast<T*>(states[i])[l] = s[i];
          sum += s[i];
        }
      }
      bad |= !(sum - sum == T(0));
      fired[l] = spike;
      excited[l] = T(0);
      if (M::by_sign) inhibited[l] = T(0);
    }
    if (a.current >= 0)
      for (int l = 0; l < m; ++l) current[l] = T(0);
    if (a.filtered >= 0)
      for (int l = 0; l < m; ++l) filtered[l] = T(0);
  }
  return !bad;
}

template <typename M, typename T>
bool run_under(const Arrays<T>& a, const bool* conditions, int64_t begin, int64_t end) {
  const bool c0 = M::n_conditions > 0 && conditions[0], c1 = M::n_conditions > 1 && conditions[1];
  if constexpr (M::n_conditions > 1)
    if (c1) return c0 ? run<M, true, true>(a, begin, end) : run<M, false, true>(a, begin, end);
  if constexpr (M::n_conditions > 0)
    if (c0) return run<M, true, false>(a, begin, end);
  return run<M, false, false>(a, begin, end);
}

template <typename T>
T* data_of(ffi::AnyBuffer b) {
  return static_cast<T*>(b.untyped_data());
}

struct Places {
  int64_t column, inhibitory, current, filtered, source;
};

// arguments: step, key, ids, h, parameters, constants, conditions; then, changed in place: ring, pending, states, fault
template <typename M, typename T>
void step_all(ffi::ThreadPool& pool, ffi::RemainingArgs& args, ffi::RemainingRets& rets, const Places& at) {
  constexpr int P = M::n_params, K = M::n_constants, C = M::n_conditions, S = M::n_states;
  auto arg = [&](int i) { return *args.get<ffi::AnyBuffer>(i); };
  auto ret = [&](int i) { return **rets.get<ffi::AnyBuffer>(i); };
  const T* params[P + 1];
  const T* constants[K + 1];
  const int32_t* integer_constants[K + 1];
  int64_t param_sizes[P + 1], constant_sizes[K + 1];
  bool conditions[C + 1];
  void* states[S];
  for (int i = 0; i < P; ++i) params[i] = data_of<T>(arg(4 + i)), param_sizes[i] = arg(4 + i).element_count();
  for (int i = 0; i < K; ++i) {
    const auto b = arg(4 + P + i);
    const bool integer = b.element_type() == ffi::DataType::S32;
    constants[i] = integer ? nullptr : data_of<T>(b);
    integer_constants[i] = integer ? data_of<int32_t>(b) : nullptr;
    constant_sizes[i] = b.element_count();
  }
  for (int i = 0; i < C; ++i) conditions[i] = data_of<bool>(arg(4 + P + K + i))[0];
  for (int i = 0; i < S; ++i) states[i] = ret(2 + i).untyped_data();
  const int32_t step = data_of<int32_t>(arg(0))[0];
  const uint32_t* key = data_of<uint32_t>(arg(1));
  const auto ring = ret(0), pending = ret(1);
  const int64_t slots = ring.dimensions()[0], columns = ring.dimensions()[1];
  const int64_t lags = pending.dimensions()[0], width = pending.dimensions()[1];
  const Arrays<T> a{params,
                    constants,
                    integer_constants,
                    param_sizes,
                    constant_sizes,
                    states,
                    data_of<T>(ring) + step % slots * columns,
                    data_of<T>(pending) + step % lags * width + at.source,
                    data_of<int32_t>(arg(2)),
                    {key[0], key[1]},
                    step,
                    data_of<T>(arg(3))[0],
                    at.column,
                    at.inhibitory,
                    at.current,
                    at.filtered};
  const int64_t n = arg(2).element_count(), blocks = (n + kSize - 1) / kSize;
  const int parts = parts_for(pool, n, kGrain);
  std::atomic<bool> finite{true};
  parallel(pool, parts, [&](int part) {
    const int64_t begin = cut(blocks, part, parts) * kSize, end = std::min(n, cut(blocks, part + 1, parts) * kSize);
    if (!run_under<M, T>(a, conditions, begin, end)) finite = false;
  });
  int32_t& fault = data_of<int32_t>(ret(2 + S))[0];
  if (fault < 0 && !finite) fault = step;
}

ffi::Error step(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t model, int64_t column,
                int64_t inhibitory, int64_t current, int64_t filtered, int64_t source) {
  const size_t before = args.size() - rets.size();
  for (size_t i = 0; i < rets.size(); ++i) {
    const auto given = *args.get<ffi::AnyBuffer>(before + i), out = **rets.get<ffi::AnyBuffer>(i);
    if (given.untyped_data() != out.untyped_data())
      std::memcpy(out.untyped_data(), given.untyped_data(), given.size_bytes());
  }
  const Places at{column, inhibitory, current, filtered, source};
  const bool single = args.get<ffi::AnyBuffer>(3)->element_type() == ffi::DataType::F32;
  int64_t number = 0;
#define JAXNEST_CASE(M, mark)                              \
  if (model == number++) {                           \
    if (single)                                      \
      step_all<M, float>(pool, args, rets, at);      \
    else                                             \
      step_all<M, double>(pool, args, rets, at);     \
    return ffi::Error::Success();                    \
  }
  JAXNEST_STEPS(JAXNEST_CASE)
#undef JAXNEST_CASE
  return ffi::Error::InvalidArgument("no such neuron model");
}

}  // namespace
}  // namespace jaxnest

// The marks of the models, in the order of their numbers.
extern "C" const char* jaxnest_step_marks() {
#define JAXNEST_MARK(M, mark) mark " "
  return JAXNEST_STEPS(JAXNEST_MARK);
#undef JAXNEST_MARK
}

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_step, jaxnest::step,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("model")
                                  .Attr<int64_t>("column")
                                  .Attr<int64_t>("inhibitory")
                                  .Attr<int64_t>("current")
                                  .Attr<int64_t>("filtered")
                                  .Attr<int64_t>("source"));
