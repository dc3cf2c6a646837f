// Sorting connections into the rows of event tables. Plain C functions, which Python calls by ctypes, from several threads.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t kAhead = 24;  // connections: rows lie apart, and what is written next is fetched early

// f(i, row) for every connection; its row is rows[pre], or pre + first where there is no such array. soon(row) comes
// some connections before f.
template <typename F, typename G>
inline void each_row(int64_t n, const int32_t* pre, const int32_t* rows, int32_t first, F&& f, G&& soon) {
  const auto row = [&](int64_t i) { return rows ? rows[pre[i]] : pre[i] + first; };
  int64_t i = 0;
  for (; i + kAhead < n; ++i) {
    soon(row(i + kAhead));
    f(i, row(i));
  }
  for (; i < n; ++i) f(i, row(i));
}

template <typename T>
void scatter(int64_t n, const int32_t* place, const T* from, T* to) {
  int64_t i = 0;
  for (; i + kAhead < n; ++i) {
    __builtin_prefetch(to + std::max(place[i + kAhead], 0), 1);
    if (place[i] >= 0) to[place[i]] = from[i];
  }
  for (; i < n; ++i)
    if (place[i] >= 0) to[place[i]] = from[i];
}

struct Item {
  uint32_t target, place;
};

// Stable sort by target: a few by insertion, else by digits of 11 bits, the least significant first.
void sort_items(std::vector<Item>& items, std::vector<Item>& other) {
  const size_t n = items.size();
  if (n <= 32) {
    for (size_t i = 1; i < n; ++i) {
      const Item item = items[i];
      size_t j = i;
      for (; j > 0 && items[j - 1].target > item.target; --j) items[j] = items[j - 1];
      items[j] = item;
    }
    return;
  }
  uint32_t low = UINT32_MAX, high = 0;
  for (const Item& item : items) {
    low = std::min(low, item.target);
    high = std::max(high, item.target);
  }
  if (n <= 1024 && high - low >= 1u << 11) {
    std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.target < b.target; });
    return;
  }
  constexpr int kBits = 11, kDigits = 1 << kBits;
  other.resize(n);
  for (int shift = 0; shift < 32 && ((high - low) >> shift) != 0; shift += kBits) {
    uint32_t begin[kDigits + 1] = {};
    for (const Item& item : items) ++begin[((item.target - low) >> shift) % kDigits + 1];
    for (int d = 0; d < kDigits; ++d) begin[d + 1] += begin[d];
    for (const Item& item : items) other[begin[((item.target - low) >> shift) % kDigits]++] = item;
    items.swap(other);
  }
}

// Stable counting sort by key[place] - lowest; ptr[k], k < segments, gets `first` + the number of items of smaller keys.
template <typename K>
void by_segment(std::vector<Item>& items, std::vector<Item>& other, const K* key, int32_t lowest, int32_t segments,
                int64_t first, int32_t* ptr) {
  std::vector<int32_t> begin(segments + 1, 0);
  for (const Item& item : items) ++begin[key[item.place] - lowest + 1];
  for (int32_t k = 0; k < segments; ++k) begin[k + 1] += begin[k];
  for (int32_t k = 0; k < segments; ++k) ptr[k] = static_cast<int32_t>(first) + begin[k];
  other.resize(items.size());
  for (const Item& item : items) other[begin[key[item.place] - lowest]++] = item;
  items.swap(other);
}

template <typename T>
void permute(const std::vector<Item>& items, T* values, std::vector<char>& scratch) {
  scratch.resize(items.size() * sizeof(T));
  T* sorted = reinterpret_cast<T*>(scratch.data());
  for (size_t i = 0; i < items.size(); ++i) sorted[i] = values[items[i].place];
  std::memcpy(values, sorted, items.size() * sizeof(T));
}

// Philox4x64-10 (Salmon et al. 2011), as in NumPy: the four numbers of a counter.
inline void philox(const uint64_t* counter, uint64_t key0, uint64_t key1, uint64_t* out) {
  uint64_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; ++round) {
    const auto a = static_cast<unsigned __int128>(0xD2E7470EE14C6C93u) * c0;
    const auto b = static_cast<unsigned __int128>(0xCA5A826395121157u) * c2;
    c0 = static_cast<uint64_t>(b >> 64) ^ c1 ^ key0;
    c2 = static_cast<uint64_t>(a >> 64) ^ c3 ^ key1;
    c1 = static_cast<uint64_t>(b);
    c3 = static_cast<uint64_t>(a);
    key0 += 0x9E3779B97F4A7C15u;
    key1 += 0xBB67AE8584CAA73Bu;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

}  // namespace

extern "C" {

// n uniform integers below `high`, without bias (Lemire 2019): 32 bits at a time from the numbers that NumPy's Philox with this
// key gives from `counter` on, the low half of each first.
void jaxnest_integers(int64_t n, uint32_t high, const uint64_t* key, const uint64_t* counter, int32_t* out) {
  uint64_t next[4] = {counter[0], counter[1], counter[2], counter[3]}, raw[4];
  const uint32_t refused = -high % high;
  for (int64_t i = 0; i < n;) {
    ++next[0];  // less than 2^64 from the start
    philox(next, key[0], key[1], raw);
    for (int half = 0; half < 8; ++half) {
      const uint64_t product = (raw[half / 2] >> (32 * (half % 2)) & 0xFFFFFFFFu) * high;
      if (static_cast<uint32_t>(product) < refused) continue;
      if (i < n) out[i++] = static_cast<int32_t>(product >> 32);
    }
  }
}

// Successes among the cells of a grid, from one to the next: the gap is one more than the integer part of waits[i] * mean, or
// of `most`. `last` is the cell of the last success, on return of the last one found, which may lie beyond the grid.
// Returns the number of those inside, whose columns (of `n_columns`) and rows go to `column` and `row`.
int64_t jaxnest_cells(int64_t n, const double* waits, double mean, double most, int64_t n_cells, int64_t n_columns,
                      int64_t* last, int32_t* column, int32_t* row) {
  int64_t cell = *last, r = std::max<int64_t>(cell, 0) / n_columns, end = (r + 1) * n_columns, found = 0;
  for (int64_t i = 0; i < n; ++i) {
    cell += 1 + static_cast<int64_t>(std::min(waits[i] * mean, most));
    if (cell >= n_cells) {
      *last = n_cells;
      return found;
    }
    if (cell >= end) {
      r = cell - end < n_columns ? r + 1 : cell / n_columns;
      end = (r + 1) * n_columns;
    }
    column[found] = static_cast<int32_t>(cell - (end - n_columns));
    row[found++] = static_cast<int32_t>(r);
  }
  *last = cell;
  return found;
}

// Adds to counts[row] the connections from each row. Those with columns[post] < 0 do not count; without `columns`, all do.
void jaxnest_count(int64_t n, const int32_t* pre, const int32_t* rows, int32_t first, const int32_t* post,
                   const int32_t* columns, int32_t* counts) {
  const auto later = [](int32_t) {};
  if (columns)
    each_row(n, pre, rows, first, [&](int64_t i, int32_t row) { counts[row] += columns[post[i]] >= 0; }, later);
  else
    each_row(n, pre, rows, first, [&](int64_t, int32_t row) { ++counts[row]; }, later);
}

// Puts the column of each connection, columns[post] + shift (which may be absent), at the cursor of its row, and moves the
// cursor on. `place`, if any, gets where it went: -1, nowhere, where columns[post] < 0.
void jaxnest_place(int64_t n, const int32_t* pre, const int32_t* rows, int32_t first, const int32_t* post,
                   const int32_t* columns, const int32_t* shift, int32_t* cursor, int32_t* target, int32_t* place) {
  const auto put = [&](int64_t i, int32_t row) {
    const int32_t column = columns[post[i]];
    int32_t where = -1;
    if (column >= 0) {
      where = cursor[row]++;
      target[where] = shift ? column + shift[i] : column;
    }
    if (place) place[i] = where;
  };
  each_row(n, pre, rows, first, put, [&](int32_t row) { __builtin_prefetch(target + cursor[row], 1); });
}

// to[place[i]] = from[i], elements of `bytes` bytes, where place[i] >= 0.
void jaxnest_scatter(int64_t n, const int32_t* place, const void* from, void* to, int32_t bytes) {
  if (bytes == 1) scatter(n, place, static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to));
  if (bytes == 2) scatter(n, place, static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to));
  if (bytes == 4) scatter(n, place, static_cast<const uint32_t*>(from), static_cast<uint32_t*>(to));
  if (bytes == 8) scatter(n, place, static_cast<const uint64_t*>(from), static_cast<uint64_t*>(to));
}

// Sorts rows `begin` ... `end` by target, stably, and with them the `n` arrays of `values`, of `bytes` bytes an element.
// With `segments` > 1, rows are sorted by values[0] (unsigned, `lowest` ... `lowest + segments - 1`) first, and
// segment_ptr[row * segments + k] gets the place of the first connection whose value is lowest + k.
void jaxnest_sort_rows(int64_t begin, int64_t end, const int32_t* row_ptr, int32_t* target, int32_t n, void** values,
                       const int32_t* bytes, int32_t segments, int32_t lowest, int32_t* segment_ptr) {
  std::vector<Item> items, other;
  std::vector<char> scratch;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row_ptr[row], last = row_ptr[row + 1];
    const bool sorted = std::is_sorted(target + first, target + last);
    if (sorted && segments <= 1) continue;
    items.clear();
    for (int64_t i = first; i < last; ++i)
      items.push_back({static_cast<uint32_t>(target[i]), static_cast<uint32_t>(i - first)});
    if (!sorted) sort_items(items, other);
    if (segments > 1) {
      int32_t* const ptr = segment_ptr + row * segments;
      if (bytes[0] == 1) by_segment(items, other, static_cast<const uint8_t*>(values[0]) + first, lowest, segments, first, ptr);
      if (bytes[0] == 2) by_segment(items, other, static_cast<const uint16_t*>(values[0]) + first, lowest, segments, first, ptr);
      if (bytes[0] == 4) by_segment(items, other, static_cast<const uint32_t*>(values[0]) + first, lowest, segments, first, ptr);
    }
    for (int64_t i = first; i < last; ++i) target[i] = static_cast<int32_t>(items[i - first].target);
    for (int32_t k = 0; k < n; ++k) {
      if (bytes[k] == 1) permute(items, static_cast<uint8_t*>(values[k]) + first, scratch);
      if (bytes[k] == 2) permute(items, static_cast<uint16_t*>(values[k]) + first, scratch);
      if (bytes[k] == 4) permute(items, static_cast<uint32_t*>(values[k]) + first, scratch);
      if (bytes[k] == 8) permute(items, static_cast<uint64_t*>(values[k]) + first, scratch);
    }
  }
}

}  // extern "C"
