// São Paulo's time to UTC. A sandbox has no time zone database, and one zone needs none: the clock was three hours behind UTC,
// and two in summer, until summer time was given up in 2019.

const HOUR = 3_600_000;

// Each summer: the day on which it began, when 00:00 became 01:00, and the day on which it ended, at whose beginning 00:00 became
// 23:00 of the day before.
const SUMMERS = [
  ['1999-10-03', '2000-02-27'],
  ['2000-10-08', '2001-02-18'],
  ['2001-10-14', '2002-02-17'],
  ['2002-11-03', '2003-02-16'],
  ['2003-10-19', '2004-02-15'],
  ['2004-11-02', '2005-02-20'],
  ['2005-10-16', '2006-02-19'],
  ['2006-11-05', '2007-02-25'],
  ['2007-10-14', '2008-02-17'],
  ['2008-10-19', '2009-02-15'],
  ['2009-10-18', '2010-02-21'],
  ['2010-10-17', '2011-02-20'],
  ['2011-10-16', '2012-02-26'],
  ['2012-10-21', '2013-02-17'],
  ['2013-10-20', '2014-02-16'],
  ['2014-10-19', '2015-02-22'],
  ['2015-10-18', '2016-02-21'],
  ['2016-10-16', '2017-02-19'],
  ['2017-10-15', '2018-02-18'],
  ['2018-11-04', '2019-02-17'],
].map((days) => days.map((day) => Date.parse(`${day}T00:00:00Z`)));

const LOCAL = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?$/;

/**
 * Reads a local time such as `2018-01-01 00:00:00.000`: `{ time }` in nanoseconds since 1970, or `{ reason }` why there is none.
 */
export function instant(text) {
  const [, day, clock, fraction = ''] = LOCAL.exec(text) ?? [];
  const local = Date.parse(`${day}T${clock}Z`);
  // The 30th of February may be read as a day of March.
  if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(`${day}T${clock}`)) {
    return { reason: 'the time cannot be read' };
  }
  if (local < SUMMERS[0][0]) {
    return { reason: 'the local time is before 1999-10-03, from when on summers are known' };
  }
  const summer = SUMMERS.find(([, end]) => local < end);
  let offset = 3 * HOUR;
  if (summer !== undefined && local >= summer[0]) {
    if (local < summer[0] + HOUR) {
      return { reason: 'the local time does not exist: summer time began' };
    }
    if (local >= summer[1] - HOUR) {
      return { reason: 'the local time is ambiguous: summer time ended' };
    }
    offset = 2 * HOUR;
  }
  const time = BigInt(local + offset) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return time === BigInt.asIntN(64, time) ? { time } : { reason: 'the time cannot be read' };
}
