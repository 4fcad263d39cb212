/**
 * Names that firmware, devices and udev give: trimmed, bounded, and null where the maker wrote nothing. Decides what counts as
 * no name; who asks for which is the readers' business.
 */
import { type Root, textOrNull } from '../system/files.ts';

const MAX = 120;
/** What mainboards say when nobody filled the field. */
const EMPTY =
  /^(?:[-.0\s]*|default string|to be filled by o\.?e\.?m\.?|not (?:specified|available|applicable|provided)|system (?:manufacturer|product name|version)|unknown|undefined|none|n\/?a|\[?n\/a\]?|o\.?e\.?m\.?|empty|no dimm|unavailable|type\d+.*|base board.*|x\.x|<out of spec>)$/i;

export function named(text: unknown, max = MAX): string | null {
  if (typeof text !== 'string') return null;
  const name = text.replaceAll('\0', '').replace(/\s+/g, ' ').trim();
  return name === '' || EMPTY.test(name) ? null : name.slice(0, max);
}

export const nameIn = (root: Root, path: string): string | null => named(textOrNull(root.of(path)));

/** A whole number that is one: text of sysfs, or what a program printed. */
export function count(value: unknown): number | null {
  const n = typeof value === 'string' && /^\s*-?\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : value;
  return typeof n === 'number' && Number.isFinite(n) && n >= 0 && n <= Number.MAX_SAFE_INTEGER ? n : null;
}
export const countIn = (root: Root, path: string): number | null => count(textOrNull(root.of(path)));
export const positive = (value: unknown): number | null => count(value) || null;

/** "sda2" before "sda10". */
export const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** What udev keeps of a device, by its id there ("+pci:0000:01:00.0", "n2", "+dmi:id"): everybody may read it, without asking anyone. */
export function udev(root: Root, id: string): Map<string, string> {
  const kept = new Map<string, string>();
  for (const line of (textOrNull(root.of(`/run/udev/data/${id}`)) ?? '').split('\n', 4096)) {
    const eq = line.indexOf('=');
    if (line.startsWith('E:') && eq > 2) kept.set(line.slice(2, eq), line.slice(eq + 1));
  }
  return kept;
}

/** Maker and model as its database of hardware has them. */
export function udevName(kept: Map<string, string>): string | null {
  const model = named(kept.get('ID_MODEL_FROM_DATABASE'));
  const vendor = named(kept.get('ID_VENDOR_FROM_DATABASE'));
  return model && vendor && !model.startsWith(vendor) ? `${vendor} ${model}`.slice(0, MAX) : (model ?? null);
}
