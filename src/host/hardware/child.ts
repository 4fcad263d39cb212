/**
 * A program of its own (dist/hardware.mjs), started by children.ts for one question and then gone: `node hardware.mjs PART ROOT`.
 * It is the only place that loads systeminformation, whose functions spawn shells, and the place for files that may hang.
 * Prints one line of JSON. Decides which functions are called (those without arguments) and which of their fields are passed on:
 * never a serial number, a UUID or an address.
 */
import { guests } from './guests.ts';

const clean = (value: unknown): unknown => (value === '' || value === '-' || value === undefined ? null : value);

async function answer(part: string | undefined, prefix: string): Promise<object> {
  if (part === 'guests') return guests(prefix);
  const si = (await import('systeminformation')).default;
  if (part === 'cpu') {
    const { vendor, socket, speedMax } = await si.cpu();
    return { vendor: clean(vendor), socket: clean(socket), maxGhz: clean(speedMax) };
  }
  if (part === 'memory') {
    const [modules, { memMax, memSlots }] = [await si.memLayout(), await si.baseboard()];
    return {
      maxBytes: clean(memMax),
      slots: clean(memSlots),
      modules: modules.map((m) => ({
        slot: clean(m.bank),
        sizeBytes: clean(m.size),
        type: clean(m.type),
        mtPerSecond: clean(m.clockSpeed),
        vendor: clean(m.manufacturer),
        part: clean(m.partNum),
        form: clean(m.formFactor),
      })),
    };
  }
  if (part === 'gpus') {
    const { controllers } = await si.graphics();
    return {
      cards: controllers.map((c) => ({ address: clean(c.busAddress), vendor: clean(c.vendor), model: clean(c.model) })),
    };
  }
  throw new Error(`no such part: ${part}`);
}

/** No `await` at the top: in the single executable this is no module. */
async function main(): Promise<void> {
  const [part, prefix = ''] = process.argv.slice(2);
  const text = JSON.stringify(await answer(part, prefix));
  // What a library may have printed before it is on other lines. And it may have left timers: the answer is all we wait for.
  process.stdout.write(`\n${text}\n`, () => process.exit(0));
}

void main();
