// Few numbers about few numbers.

export const sorted = (values) => [...values].sort((a, b) => a - b);

export function median(values) {
  const all = sorted(values);
  const half = all.length >> 1;
  return all.length % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
}

/**
 * A distribution-free 95 % interval of the median: the k-th smallest to the k-th largest, with the largest k for which
 * the chance to miss, 2 * P(Binomial(n, 1/2) < k), is at most 5 %. Below six values there is none.
 */
export function medianInterval(values) {
  const all = sorted(values);
  const n = all.length;
  let below = 0;
  let term = 0.5 ** n;
  let k = 0;
  while (k < n / 2) {
    below += term;
    if (2 * below > 0.05) break;
    k += 1;
    term = (term * (n - k + 1)) / k;
  }
  return k === 0 ? null : { low: all[k - 1], high: all[n - k], level: 1 - 2 * (below - (2 * below > 0.05 ? term : 0)) };
}

/** A table of strings, the first column to the left. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ').trimEnd())
    .join('\n');
}
