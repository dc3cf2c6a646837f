// exp, log and their kin without branches or calls, so that loops over them become vector instructions.
// Polynomials and rational functions of Moshier's Cephes library. Errors, in units of the last place: below 2, of expm1 in
// double precision below 4, of pow(x, y) about 1 + |y log x|. Results below the smallest normal number may be 0.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#define JAXNEST_INLINE inline __attribute__((always_inline))

namespace jaxnest {

template <typename T>
struct Bits;  // of a float type: its layout, and adding `magic` rounds to an integer that lies in the lowest bits
template <>
struct Bits<float> {
  using U = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 0x1.8p23f, lowest = -104.f, highest = 88.73f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};
template <>
struct Bits<double> {
  using U = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 0x1.8p52, lowest = -746., highest = 709.79;
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
};

template <typename To, typename From>
JAXNEST_INLINE To bits_as(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof(To));
  return y;
}

// expm1(r) for |r| <= ln(2) / 2
JAXNEST_INLINE float expm1_near_0(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r;
}
JAXNEST_INLINE double expm1_near_0(double r) {
  const double z = r * r;
  const double p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 9.99999999999999999910e-1);
  const double q = ((3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z + 2.27265548208155028766e-1) * z + 2.0;
  return 2.0 * (p / (q - p));
}

// exp(x) = 2^n (1 + m) with 2^n = a b; for x within [lowest, highest]
template <typename T>
struct Parts {
  T m, a, b;
};
template <typename T>
JAXNEST_INLINE Parts<T> exp_parts(T x) {
  using B = Bits<T>;
  using U = typename B::U;
  const T shifted = x * T(1.44269504088896340736) + B::magic;
  const T n = shifted - B::magic;
  const T r = (x - n * B::ln2_high) - n * B::ln2_low;
  constexpr U even = U(2) << (B::mantissa == 23 ? 10 : 12);  // makes n positive, so that it can be halved
  const U whole = bits_as<U>(shifted) - bits_as<U>(B::magic) + even;
  const U half = whole >> 1;
  const U bias = U(B::bias) - even / 2;
  return {expm1_near_0(r), bits_as<T>((half + bias) << B::mantissa), bits_as<T>((whole - half + bias) << B::mantissa)};
}

template <typename T>
JAXNEST_INLINE T exp(T x) {
  using B = Bits<T>;
  const T low = x < B::lowest ? B::lowest : x;
  const T inside = low > B::highest ? B::highest : low;
  const auto e = exp_parts(inside);
  const T y = (T(1) + e.m) * e.a * e.b;
  const T y0 = x < B::lowest ? T(0) : y;
  return x > B::highest ? std::numeric_limits<T>::infinity() : y0;
}

template <typename T>
JAXNEST_INLINE T expm1(T x) {
  using B = Bits<T>;
  const T low = x < T(-50) ? T(-50) : x;
  const T inside = low > B::highest ? B::highest : low;
  const auto e = exp_parts(inside);
  const T y = (e.a * e.m) * e.b + (e.a * e.b - T(1));
  const T all = x > T(40) ? (T(1) + e.m) * e.a * e.b : y;  // where 2^n alone may be infinite
  const T z = x > B::highest ? std::numeric_limits<T>::infinity() : all;
  return x == T(0) ? x : z;
}

// log(1 + f) - f + f^2 / 2 for sqrt(1/2) <= 1 + f <= sqrt(2)
JAXNEST_INLINE float log_rest(float f) {
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  return p * f * z;
}
JAXNEST_INLINE double log_rest(double f) {
  double p = 1.01875663804580931796e-4, q = f + 1.12873587189167450590e1;
  p = p * f + 4.97494994976747001425e-1;
  p = p * f + 4.70579119878881725854e0;
  p = p * f + 1.44989225341610930846e1;
  p = p * f + 1.79368678507819816313e1;
  p = p * f + 7.70838733755885391666e0;
  q = q * f + 4.52279145837532221105e1;
  q = q * f + 8.29875266912776603211e1;
  q = q * f + 7.11544750618563894466e1;
  q = q * f + 2.31251620126765340583e1;
  return f * (f * f * p / q);
}

template <typename T>
JAXNEST_INLINE T log(T x) {
  using B = Bits<T>;
  using U = typename B::U;
  constexpr T tiny = std::numeric_limits<T>::min(), infinity = std::numeric_limits<T>::infinity();
  constexpr T scale = T(U(1) << B::mantissa);
  const bool small = x < tiny;
  const U bits = bits_as<U>(small ? x * scale : x);
  // so that the mantissa's part lies between sqrt(1/2) and sqrt(2)
  const U root_half = bits_as<U>(T(0.70710678118654752440));
  const U up = bits - root_half;
  const U exponent = (up >> B::mantissa) & (2 * B::bias + 1);
  const U wrapped = (exponent + B::bias) & (2 * B::bias + 1);  // negative ones modulo 2^k, made positive
  const T m = bits_as<T>((up & ((U(1) << B::mantissa) - 1)) + root_half);
  const T e = bits_as<T>(bits_as<U>(B::magic) + wrapped) - B::magic - T(small ? B::bias + B::mantissa : B::bias);
  const T f = m - T(1);
  T y = log_rest(f) + e * T(-2.121944400546905827679e-4);
  y = y - T(0.5) * (f * f);
  const T z = (f + y) + e * T(0.693359375);
  const T z0 = x == T(0) ? -infinity : z;
  const T z1 = x == infinity ? x : z0;
  return x >= T(0) ? z1 : std::numeric_limits<T>::quiet_NaN();
}

template <typename T>
JAXNEST_INLINE T log1p(T x) {
  const T u = T(1) + x;
  const T lost = x - (u - T(1));
  const T y = log(u) + (u == T(0) || u == std::numeric_limits<T>::infinity() ? T(0) : lost / u);
  return x == T(0) ? x : y;
}

// x^y for x > 0; 1 for y = 0
template <typename T>
JAXNEST_INLINE T pow(T x, T y) {
  const T z = exp(y * log(x));
  const T z1 = y == T(1) ? x : z;
  return y == T(0) ? T(1) : z1;
}

}  // namespace jaxnest
