/** Percentiles and rates of measurements. */

/** Return the nearest-rank percentile of numbers in ascending order, or null if there are none. */
export function percentile(sorted, share) {
  if (!sorted.length) return null;
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const ascending = (numbers) => [...numbers].sort((one, other) => one - other);

/** Return the number of durations, their p50 and their p99. */
export function summarize(durations) {
  const sorted = ascending(durations);
  return { size: sorted.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Collects durations until they are taken. */
export class Durations {
  #noted = [];

  note(ms) {
    this.#noted.push(ms);
  }

  take() {
    const noted = this.#noted;
    this.#noted = [];
    return summarize(noted);
  }
}

/** Turns readings of rising counters into rates per second. A restart of the runtime resets the counters. */
export class Rates {
  #before = null;
  #at = 0;

  /** @param {Record<string, number>} totals @param {number} now in ms @returns {Record<string, number> | null} */
  of(totals, now) {
    const before = this.#before;
    const elapsed = (now - this.#at) / 1000;
    this.#before = totals;
    this.#at = now;
    if (!before || elapsed <= 0 || Object.entries(totals).some(([name, total]) => total < (before[name] ?? 0))) return null;
    return Object.fromEntries(Object.entries(totals).map(([name, total]) => [name, (total - (before[name] ?? 0)) / elapsed]));
  }

  forget() {
    this.#before = null;
  }
}

export const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
