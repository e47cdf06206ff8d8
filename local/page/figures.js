/** Arithmetic on what was measured. */

/** The nearest-rank percentile of numbers in ascending order; null of none. */
export function percentile(sorted, share) {
  if (!sorted.length) return null;
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const ascending = (numbers) => [...numbers].sort((one, other) => one - other);

/** p50 and p99 of durations, and how many there are. */
export function summarize(durations) {
  const sorted = ascending(durations);
  return { size: sorted.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Durations since they were last taken. */
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

/** Counters that only rise, seen again and again: what they rose by in a second. A restart begins them anew. */
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
