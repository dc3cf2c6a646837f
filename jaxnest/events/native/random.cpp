// Poisson counts: the numbers of events/random.py, bit by bit, 32 targets at a time.

#include <cstring>
#include <vector>

#include "parallel.h"
#include "threefry.h"

namespace jaxnest {
namespace {

constexpr int kLanes = 8, kVectors = 4, kBlock = kLanes * kVectors;
constexpr int64_t kGrain = 4096;     // numbers worth a thread
constexpr uint32_t kDraws = 1 << 16;  // random._DRAWS

typedef uint32_t Words __attribute__((vector_size(4 * kLanes)));
struct Block {
  Words v[kVectors];
};

// First words of the blocks of (ident, step): several chains at once, since each is as long as its latencies.
JAXNEST_INLINE void first_words(Word2 key, const Block& ident, uint32_t step, Block& a) {
  const uint32_t keys[3] = {key.a, key.b, key.a ^ key.b ^ 0x1BD11BDAu};
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  Block b;
  for (int k = 0; k < kVectors; ++k) {
    a.v[k] = ident.v[k] + keys[0];
    b.v[k] = Words{} + (step + keys[1]);
  }
#pragma GCC unroll 5
  for (unsigned group = 1; group < 6; ++group) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const int distance = rotations[(group - 1) % 2][r];
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) {
        a.v[k] += b.v[k];
        b.v[k] = a.v[k] ^ (b.v[k] << distance | b.v[k] >> (32 - distance));
      }
    }
    for (int k = 0; k < kVectors; ++k) {
      a.v[k] += keys[group % 3];
      b.v[k] += keys[(group + 1) % 3] + group;
    }
  }
}

JAXNEST_INLINE bool any(const Block& mask) {
  const Words all = (mask.v[0] | mask.v[1]) | (mask.v[2] | mask.v[3]);
  uint64_t halves[kLanes / 2];
  std::memcpy(halves, &all, sizeof(halves));
  return ((halves[0] | halves[1]) | (halves[2] | halves[3])) != 0;
}

// Counts of one block. Thresholds fall with k, so where no word is below one, none is below the next: looked at after every
// fourth. Numbers are compared as signed ones with the highest bit flipped, since that is one instruction.
JAXNEST_INLINE void add_counts(Block words, const uint32_t* thresholds, int n_thresholds, int64_t stride, bool shared,
                               const Block* active, Block& counts) {
  constexpr uint32_t flip = 1u << 31;
  typedef int32_t Signed __attribute__((vector_size(4 * kLanes)));
  for (int i = 0; i < kVectors; ++i) words.v[i] ^= flip;
  for (int k = 0; k < n_thresholds; ++k) {
    const uint32_t* row = thresholds + k * stride;
    Block mask;
    for (int i = 0; i < kVectors; ++i) {
      Words t;
      if (shared)
        t = Words{} + (row[0] ^ flip);
      else {
        std::memcpy(&t, row + i * kLanes, sizeof(t));
        t ^= flip;
      }
      mask.v[i] = (Words)((Signed)words.v[i] < (Signed)t);
      if (active) mask.v[i] &= active->v[i];
      counts.v[i] -= mask.v[i];
    }
    if (k % 4 == 3 && !any(mask)) return;
  }
}

template <typename T>
void counts_within(const uint32_t* thresholds, int n_thresholds, int64_t m, const int32_t* repeats, const Word2* keys,
                   uint32_t step, const int32_t* ident, int64_t begin, int64_t end, T* out) {
  const bool shared = m == 1;
  std::vector<uint32_t> last;  // the thresholds of a block that is not full
  for (int64_t at = begin; at < end; at += kBlock) {
    const int size = static_cast<int>(std::min<int64_t>(kBlock, end - at));
    Block ids{}, words, counts{};
    std::memcpy(&ids, ident + at, 4 * size);
    const uint32_t* mine = shared ? thresholds : thresholds + at;
    int64_t stride = m;
    if (!shared && size < kBlock) {
      last.assign(n_thresholds * kBlock, 0);
      for (int k = 0; k < n_thresholds; ++k) std::memcpy(&last[k * kBlock], mine + k * m, 4 * size);
      mine = last.data();
      stride = kBlock;
    }
    first_words(keys[0], ids, step, words);
    add_counts(words, mine, n_thresholds, stride, shared, nullptr, counts);
    int32_t most = repeats[shared ? 0 : at];
    if (!shared)
      for (int i = 1; i < size; ++i) most = std::max(most, repeats[at + i]);
    for (int32_t r = 1; r < most; ++r) {
      Block active;
      int32_t flags[kBlock];
      for (int i = 0; i < kBlock; ++i) flags[i] = i < size && r < repeats[shared ? 0 : at + i] ? -1 : 0;
      std::memcpy(&active, flags, sizeof(active));
      first_words(keys[r], ids, step, words);
      add_counts(words, mine, n_thresholds, stride, shared, &active, counts);
    }
    int32_t flat[kBlock];
    std::memcpy(flat, &counts, sizeof(flat));
    if (size == kBlock)
      for (int i = 0; i < kBlock; ++i) out[at + i] = static_cast<T>(flat[i]);
    else
      for (int i = 0; i < size; ++i) out[at + i] = static_cast<T>(flat[i]);
  }
}

ffi::Error poisson(ffi::ThreadPool pool, ffi::AnyBuffer thresholds, ffi::AnyBuffer repeats, ffi::AnyBuffer key,
                   ffi::AnyBuffer step, ffi::AnyBuffer ident, ffi::Result<ffi::AnyBuffer> out, int64_t stream,
                   int64_t draw) {
  const int64_t n = ident.element_count(), m = repeats.element_count();
  const uint32_t* word = key.typed_data<uint32_t>();
  const int32_t* times = repeats.typed_data<int32_t>();
  int32_t most = 1;
  for (int64_t i = 0; i < m; ++i) most = std::max(most, times[i]);
  std::vector<Word2> keys;
  for (int32_t r = 0; r < most; ++r)
    keys.push_back(threefry({word[0], word[1]}, {static_cast<uint32_t>(stream), static_cast<uint32_t>(draw) + r * kDraws}));
  auto run = [&](auto type) {
    const int parts = parts_for(pool, n * most, kGrain);
    parallel(pool, parts, [&](int part) {
      // cut at whole blocks, so that lines of `out` are not shared
      const int64_t blocks = (n + kBlock - 1) / kBlock;
      counts_within(thresholds.typed_data<uint32_t>(), static_cast<int>(thresholds.dimensions()[0]), m,
                    times, keys.data(), step.typed_data<uint32_t>()[0],
                    ident.typed_data<int32_t>(), std::min(n, cut(blocks, part, parts) * kBlock),
                    std::min(n, cut(blocks, part + 1, parts) * kBlock), out->typed_data<decltype(type)>());
    });
  };
  return with_real(out->element_type(), run);
}

}  // namespace
}  // namespace jaxnest

namespace ffi = xla::ffi;

XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxnest_poisson, jaxnest::poisson,
                              jaxnest::buffers<5>(ffi::Ffi::Bind().Ctx<ffi::ThreadPool>())
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("stream")
                                  .Attr<int64_t>("draw"));
