/**
 * Questions for the child process (child.ts): starts it, bounds it, and believes nothing of what it prints before each field has
 * been looked at. At most two are alive at a time (each is some 50 MB), so that one that hangs does not stop the next.
 */
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { CpuMore, Guest, Inventory, MemoryLayout } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { execOurs } from '../exec.ts';
import { programFile } from '../program.ts';
import { known, unknown } from '../system/files.ts';
import { count, named, positive } from './words.ts';

export type Ours = typeof execOurs;
type Part = 'cpu' | 'memory' | 'gpus' | 'guests';
type Fields = Record<string, unknown>;

const TIMEOUT_MS = 6_000;
const MAX_BYTES = 1024 * 1024;
const AT_ONCE = 2;

export interface Children {
  cpu(): Promise<Reading<CpuMore>>;
  memory(): Promise<Reading<MemoryLayout>>;
  /** Names of cards by their address on the first PCI domain; empty when it cannot tell. */
  gpuNames(): Promise<Map<string, string>>;
  guests(prefix: string): Promise<Inventory['guests']>;
}

export function children(o: { run: Ours; program?: string; timeoutMs?: number }): Children {
  const program = o.program ?? programFile('hardware');
  let free = AT_ONCE;
  const waiting: (() => void)[] = [];

  async function ask(part: Part, prefix: string): Promise<Reading<Fields>> {
    if (free > 0) free--;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      const timeoutMs = o.timeoutMs ?? TIMEOUT_MS;
      const { code, stdout } = await o.run(program, { args: [part, prefix], timeoutMs, maxBytes: MAX_BYTES });
      const line = stdout.trimEnd().split('\n').at(-1) ?? '';
      const value: unknown = code === 0 ? JSON.parse(line) : null;
      if (value !== null && typeof value === 'object' && !Array.isArray(value)) return known(value as Fields);
      return unknown('Our hardware reader failed.');
    } catch (error) {
      if (error instanceof SyntaxError) return unknown('Our hardware reader said nothing that can be understood.');
      const { code, message } = toOpsError(error);
      if (code === 'timeout') return unknown('Our hardware reader did not answer in time and was killed.');
      return unknown(error instanceof OpsError && code === 'limit' ? 'Our hardware reader said too much.' : message);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  }

  return {
    async cpu() {
      const said = await ask('cpu', '');
      if (said.value === null) return said;
      const { vendor, socket, maxGhz } = said.value;
      const max = typeof maxGhz === 'number' ? positive(Math.round(maxGhz * 1000)) : null;
      return known({ vendor: named(vendor), socket: named(socket), maxMhz: max });
    },
    async memory() {
      const said = await ask('memory', '');
      if (said.value === null) return said;
      const modules = records(said.value.modules).flatMap((m) => {
        const sizeBytes = positive(m.sizeBytes);
        const type = named(m.type);
        // It answers the size of the whole memory, and no type, where it was told nothing.
        if (sizeBytes === null || type === null) return [];
        const slot = named(m.slot) ?? named(m.form);
        return [
          { slot, sizeBytes, type, mtPerSecond: positive(m.mtPerSecond), vendor: named(m.vendor), part: named(m.part) },
        ];
      });
      if (modules.length === 0)
        return unknown('The firmware tells of no memory modules, or dmidecode is not installed.');
      const { slots, maxBytes } = said.value;
      return known({
        source: 'dmidecode',
        slots: positive(slots),
        maxBytes: positive(maxBytes),
        errorCorrection: null,
        modules: modules.slice(0, 256),
      });
    },
    async gpuNames() {
      const said = await ask('gpus', '');
      const names = new Map<string, string>();
      for (const { address, vendor, model } of records(said.value?.cards)) {
        const name = [vendor, model]
          .map((s) => named(s))
          .filter(Boolean)
          .join(' ');
        if (typeof address === 'string' && named(model) !== null) names.set(address.trim(), name.slice(0, 120));
      }
      return names;
    },
    async guests(prefix) {
      const said = await ask('guests', prefix);
      if (said.value === null) return said;
      if (typeof said.value.why === 'string') return unknown(said.value.why);
      const yes = (v: unknown) => (typeof v === 'boolean' ? v : null);
      return known(
        records(said.value.guests).flatMap((g): Guest[] => {
          const id = positive(g.id);
          if (id === null || (g.kind !== 'lxc' && g.kind !== 'vm')) return [];
          return [
            {
              id,
              kind: g.kind,
              name: named(g.name),
              running: yes(g.running),
              template: g.template === true,
              cores: count(g.cores),
              memoryBytes: count(g.memoryBytes),
              onBoot: g.onBoot === true,
              lock: named(g.lock),
            },
          ];
        }),
      );
    },
  };
}

const records = (value: unknown): Fields[] =>
  Array.isArray(value) ? value.slice(0, 4_096).filter((v): v is Fields => v !== null && typeof v === 'object') : [];
