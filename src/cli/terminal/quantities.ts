/** Numbers as people read them: sizes in GB of 10⁹ bytes, times in hours and minutes, counts with separators. */

/** 1_234_000_000 → `1.23 GB` */
export function showBytes(bytes: number): string {
  const sign = bytes < 0 ? "-" : "";
  const size = Math.abs(bytes);
  if (size < 1000) return `${sign}${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${sign}${value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** 3725 → `1h02m`, 62 → `1m02s`, 3.21 → `3.2s`, 0.004 → `4ms` */
export function showSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 0.1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** 1234567 → `1,234,567` */
export function showCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** 12_247_782_400 → `12.2 B`; for parameters and tokens. */
export function showScale(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toPrecision(3)} B`;
  if (count >= 1e6) return `${(count / 1e6).toPrecision(3)} M`;
  return showCount(count);
}

/** Tokens per second, as precise as is useful. */
export function showRate(perSecond: number): string {
  return `${perSecond < 100 ? perSecond.toFixed(1) : showCount(perSecond)} tok/s`;
}

export function showPercent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
