/** How figures, times and cuts read: one form each, for models and people alike. Pure; English numerals. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** 1024-based, three significant figures; unknown is "?". */
export function bytes(n: number | null): string {
  if (n === null || !Number.isFinite(n)) return '?';
  let value = Math.abs(n);
  let unit = 0;
  // 1023.5 would round to "1024": go on one unit earlier.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${n < 0 ? '-' : ''}${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** The two largest units: "3 d 4 h", "12 s", "250 ms"; unknown is "?". */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return '?';
  const sign = ms < 0 ? '-' : '';
  const abs = Math.abs(ms);
  if (abs < 1_000) return `${sign}${Math.round(abs)} ms`;
  const s = Math.round(abs / 1_000);
  const [d, h, m] = [Math.floor(s / 86_400), Math.floor(s / 3_600) % 24, Math.floor(s / 60) % 60];
  const parts = d
    ? [`${d} d`, h && `${h} h`]
    : h
      ? [`${h} h`, m && `${m} min`]
      : m
        ? [`${m} min`, s % 60 && `${s % 60} s`]
        : [`${s} s`];
  return sign + parts.filter(Boolean).join(' ');
}

/** One decimal below ten, none above; unknown is "?". */
export function percent(x: number | null): string {
  if (x === null || !Number.isFinite(x)) return '?';
  return `${Math.abs(x) < 9.95 && x !== 0 ? x.toFixed(1) : Math.round(x)}%`;
}

/** UTC with seconds; what cannot be a time is "?". */
export function rfc3339(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return '?';
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

export const ago = (thenMs: number | null, nowMs: number): string =>
  thenMs === null ? '?' : `${duration(Math.max(0, nowMs - thenMs))} ago`;

/** Keeps the beginning, and says how much is gone. Never splits a pair of surrogates or a ⟦mark⟧. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = max;
  const open = text.lastIndexOf('⟦', end - 1);
  if (open >= 0 && text.indexOf('⟧', open) >= end) end = open;
  if (end > 0 && /[\uD800-\uDBFF]/.test(text.charAt(end - 1))) end--;
  return `${text.slice(0, end)}⟦${text.length - end} characters left out⟧`;
}

/** The last `max` lines, and how many came before them. */
export function tail(text: string, max: number): string {
  const lines = text.split('\n');
  if (lines.length <= max) return text;
  return [`⟦${lines.length - max} lines left out⟧`, ...lines.slice(lines.length - max)].join('\n');
}
