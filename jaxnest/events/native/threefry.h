// The random numbers of events/random.py, bit by bit.
#pragma once

#include <cstdint>
#include <type_traits>

#include "elementary.h"

namespace jaxnest {

struct Word2 {
  uint32_t a, b;
};

JAXNEST_INLINE Word2 threefry(Word2 key, Word2 x) {
  const uint32_t keys[3] = {key.a, key.b, key.a ^ key.b ^ 0x1BD11BDAu};
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  x = {x.a + keys[0], x.b + keys[1]};
#pragma GCC unroll 5
  for (unsigned group = 1; group < 6; ++group) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const int distance = rotations[(group - 1) % 2][k];
      x.a += x.b;
      x.b = x.a ^ (x.b << distance | x.b >> (32 - distance));
    }
    x = {x.a + keys[group % 3], x.b + keys[(group + 1) % 3] + group};
  }
  return x;
}

// In [0, 1)
template <typename T>
JAXNEST_INLINE T to_uniform(Word2 words) {
  if constexpr (std::is_same_v<T, float>)
    return float(int32_t(words.a >> 8)) * 0x1p-24f;
  else
    return (double(int32_t(words.a >> 5)) * 0x1p26 + double(int32_t(words.b >> 6))) * 0x1p-53;
}

}  // namespace jaxnest
