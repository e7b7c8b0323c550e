// The converter of the `ons-load-raw` dataset, as `../ons-load-rust` has it: hourly load by distributor, as ONS, the operator of
// Brazil's grid, publishes it.
//
// Values cross as componentize-js maps them: records are objects with names in camel case, variants `{ tag, val }`, enums
// strings, `option` is undefined for none, integers of 64 bits are BigInts, and an error of a `result` is thrown.

import { forEachText, readStrings, timestamps, writeStrings } from './columns.js';
import { instant } from './sao-paulo.js';

const TAGS = {
  region: 'sudeste',
  consumer_type: 'distributor',
  measurement_type: 'load',
  sector: 'distribution',
};

/** The interface that the contract's world exports. */
export const converter = {
  describe() {
    return {
      name: 'ons-load-javascript',
      version: '0.1.0',
      dataset: 'ons-load-raw',
      summary: 'Hourly load by distributor, as the grid operator publishes it',
    };
  },

  // Once an object.
  prepare(input) {
    const problems = [];
    const series = required(input, problems, 'nom_seriehistorica', ['text']);
    const local = required(input, problems, 'din_ocorrencia', ['text']);
    const power = required(input, problems, 'val_itemserieoriginal', ['float', 'integer']);
    if (problems.length > 0) {
      throw problems;
    }
    const tags = Object.entries(TAGS).map(([key, value]) => item(key, text(value)));
    tags.push(item('subsector', { tag: 'translated', val: 0 }));
    const megawatts = item('power_mw', { tag: 'column', val: power });
    const fields = [
      { ...megawatts, writeAs: 'float', missing: { tag: 'reject', val: 'invalid-value' } },
      { ...item('unit', text('MW')), writeAs: undefined },
    ];
    const time = { tag: 'computed', val: 0 };
    return {
      points: [{ measurement: 'consumption_data', time, tags, fields, when: undefined }],
      translations: [series],
      reads: [local],
      computed: ['timestamp'],
      masks: 0,
    };
  },

  // Once for distinct values of the column `translations[translation]`.
  translate(translation, values) {
    return writeStrings(readStrings(values).map((name) => name && name.replace(/^SP-/, '')));
  },

  // Once a batch.
  convert({ rows, columns: [local] }) {
    const times = new Array(rows).fill(null);
    const rejected = [];
    // Each distinct text is read once a batch.
    const instants = new Map();
    forEachText(local, (row, text) => {
      if (!instants.has(text)) {
        instants.set(text, instant(text));
      }
      const { time, reason } = instants.get(text);
      if (reason === undefined) {
        times[row] = time;
      } else {
        rejected.push({ row, code: 'invalid-timestamp', message: reason });
      }
    });
    return { computed: [timestamps(rows, (row) => times[row])], masks: [], rejected };
  },
};

/** The index of a column. That there is none, or of another type, is a problem. */
function required(input, problems, name, types) {
  const index = input.columns.findIndex((column) => column.name === name);
  if (index === -1) {
    const message = `the dataset \`${input.dataset}\` requires the column \`${name}\``;
    problems.push({ code: 'missing-column', message, column: name });
    return 0;
  }
  const { columnType, sourceType } = input.columns[index];
  // A column of nulls can be used as every type.
  if (!types.includes(columnType) && sourceType !== 'Null') {
    const message = `the column \`${name}\` must be ${types.join(' or ')}: \`${sourceType}\``;
    problems.push({ code: 'invalid-column-type', message, column: name });
  }
  return index;
}

/** A tag, or what it has in common with a field: rows without a value go without it. */
function item(key, source) {
  return { key: { tag: 'name', val: key }, source, when: undefined, missing: { tag: 'omit' } };
}

function text(value) {
  return { tag: 'constant', val: { tag: 'text', val: value } };
}
