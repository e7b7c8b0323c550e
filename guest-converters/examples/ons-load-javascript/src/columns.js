// Strings and columns as the contract has them, to JavaScript's own and back. Every converter can use this file as it is.

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Strings in Arrow's layout, as an array with null for null. */
export function readStrings({ offsets, data, validity }) {
  const strings = [];
  for (let at = 0; at + 1 < offsets.length; at++) {
    strings.push(isSet(validity, at) ? decoder.decode(data.subarray(offsets[at], offsets[at + 1])) : null);
  }
  return strings;
}

/** The counterpart of `readStrings`. */
export function writeStrings(strings) {
  const parts = strings.map((string) => encoder.encode(string ?? ''));
  const offsets = new Uint32Array(parts.length && parts.length + 1);
  parts.forEach((part, at) => (offsets[at + 1] = offsets[at] + part.length));
  const data = new Uint8Array(offsets[parts.length] ?? 0);
  parts.forEach((part, at) => data.set(part, offsets[at]));
  return { offsets, data, validity: bitmap(strings.length, (at) => strings[at] !== null) };
}

/** Calls `each(row, string)` for the rows of a text column that have a value. Each distinct string is one object. */
export function forEachText({ values, validity }, each) {
  const { codes, dictionary } = values.val;
  const strings = readStrings(dictionary);
  codes.forEach((code, row) => {
    // The code of a null row means nothing, and may not be in the dictionary.
    if (isSet(validity, row) && strings[code] !== null) {
      each(row, strings[code]);
    }
  });
}

/** A column of times, in nanoseconds since 1970: `time(row)` is a BigInt, or null. */
export function timestamps(rows, time) {
  const nanoseconds = new BigInt64Array(rows);
  const validity = bitmap(rows, (row) => {
    const at = time(row);
    nanoseconds[row] = at ?? 0n;
    return at !== null;
  });
  return { values: { tag: 'timestamps', val: nanoseconds }, validity };
}

/** A bit for each of `count` places, or undefined where all are set: no nulls. */
function bitmap(count, isSet) {
  const bits = new Uint8Array((count + 7) >> 3);
  let all = true;
  for (let at = 0; at < count; at++) {
    if (isSet(at)) {
      bits[at >> 3] |= 1 << (at & 7);
    } else {
      all = false;
    }
  }
  return all ? undefined : bits;
}

function isSet(bits, at) {
  return bits === undefined || ((bits[at >> 3] >> (at & 7)) & 1) === 1;
}
