/**
 * Raw records as the rounded figures that answers carry, with the schemas of the rows that overview and metrics share.
 * Decides rounding and field names; reads nothing and judges nothing.
 */
import * as z from 'zod';
import type { Filesystem, Identity, Pressure, Reading, Snapshot, Whose } from '../core/host.ts';
import { foreign, once } from '../core/schema.ts';
import type { DiskRate, Modes, NetRate } from '../insight/rates.ts';
import { inodesPercent, usedPercent } from '../insight/rules_storage.ts';

export const figure = once(() => z.number().nullable());
export const whose = once(() => z.enum(['host', 'container', 'process']));

/** One decimal. A hundredth of a percent is noise, and costs a token. */
export const one = (x: number | null | undefined): number | null =>
  x === null || x === undefined || !Number.isFinite(x) ? null : Math.round(x * 10) / 10;
export const whole = (x: number | null | undefined): number | null =>
  x === null || x === undefined || !Number.isFinite(x) ? null : Math.round(x);

export interface Gap {
  what: string;
  why: string;
}

/** Collects what could not be read, so that every null in an answer has its reason there. */
export function gaps() {
  const list: Gap[] = [];
  return {
    list,
    of<T>(what: string, r: Reading<T>): T | null {
      if (r.why !== undefined) list.push({ what, why: r.why });
      return r.value;
    },
  };
}

export const ModeShares = once(() =>
  z
    .object({ user: z.number(), system: z.number(), iowait: z.number(), steal: z.number(), idle: z.number() })
    .describe('Percent; nice is in user, irq and softirq in system.'),
);

export const modeShares = (m: Modes): z.output<ReturnType<typeof ModeShares>> => ({
  user: one(m.user + m.nice) ?? 0,
  system: one(m.system + m.irq + m.softirq) ?? 0,
  iowait: one(m.iowait) ?? 0,
  steal: one(m.steal) ?? 0,
  idle: one(m.idle) ?? 0,
});

export const FilesystemRow = once(() =>
  z.object({
    mount: foreign(z.string(), 'mount table'),
    type: z.string(),
    totalBytes: figure(),
    availableBytes: figure(),
    usedPercent: figure(),
    inodesUsedPercent: figure(),
    readOnly: z.boolean(),
  }),
);

export function filesystemRow(f: Filesystem): z.output<ReturnType<typeof FilesystemRow>> {
  const size = f.size.value;
  return {
    mount: f.mount,
    type: f.type,
    totalBytes: size?.totalBytes ?? null,
    availableBytes: size?.availableBytes ?? null,
    usedPercent: one(size && usedPercent(size)),
    inodesUsedPercent: one(size && inodesPercent(size)),
    readOnly: f.readOnly,
  };
}

export const DiskRow = once(() =>
  z.object({
    name: z.string(),
    readBytesPerSecond: figure(),
    writtenBytesPerSecond: figure(),
    busyPercent: figure(),
  }),
);
export const diskRow = (d: DiskRate): z.output<ReturnType<typeof DiskRow>> => ({
  name: d.name,
  readBytesPerSecond: whole(d.readBytesPerSecond),
  writtenBytesPerSecond: whole(d.writtenBytesPerSecond),
  busyPercent: one(d.busyPercent),
});

/**
 * Of an interface. Whoever makes one names it (an engine, a VPN, a guest), in 15 bytes without blanks: no order fits, but marks and escapes
 * do, and a fence around each would cost more than the name.
 */
export const interfaceName = (name: string): string => name.replace(/[^\x21-\x7e]+/g, '?');

export const NetRow = once(() =>
  z.object({ name: z.string(), rxBytesPerSecond: figure(), txBytesPerSecond: figure() }),
);
export const netRow = (n: NetRate): z.output<ReturnType<typeof NetRow>> => ({
  name: interfaceName(n.name),
  rxBytesPerSecond: whole(n.rxBytesPerSecond),
  txBytesPerSecond: whole(n.txBytesPerSecond),
});

/** Rates as the counters name them, and null ones for devices whose counters are known but whose window is not. */
export function disksOf(s: Snapshot, rates: Reading<DiskRate[]>): DiskRate[] {
  const none = { readsPerSecond: null, writesPerSecond: null, busyPercent: null };
  const unknown = { readBytesPerSecond: null, writtenBytesPerSecond: null, ...none };
  return rates.value ?? (s.disks.value ?? []).map((d) => ({ name: d.name, ...unknown }));
}

export function networksOf(s: Snapshot, rates: Reading<NetRate[]>): NetRate[] {
  const none = { rxPacketsPerSecond: null, txPacketsPerSecond: null, errorsPerSecond: null, droppedPerSecond: null };
  return (
    rates.value ??
    (s.networks.value ?? []).map(({ name, state, speedMbit }) => ({
      name,
      state,
      speedMbit,
      rxBytesPerSecond: null,
      txBytesPerSecond: null,
      ...none,
    }))
  );
}

export const Psi = once(() =>
  z
    .object({ whose: whose(), some10: figure(), some60: figure(), full10: figure(), full60: figure() })
    .describe('Percent of the last 10 and 60 s in which some, or all, tasks stood waiting.'),
);
export const psi = (p: Pressure | null): z.output<ReturnType<typeof Psi>> | null =>
  p && {
    whose: p.whose,
    some10: one(p.some?.avg10),
    some60: one(p.some?.avg60),
    full10: one(p.full?.avg10),
    full60: one(p.full?.avg60),
  };

/** Whose the processes and counters without an owner of their own are: what this process sees from where it runs. */
export const seenFrom = (identity: Identity): Whose => (identity.virtualisation.container ? 'container' : 'host');

/** Nothing that anyone looks for when asking how a host is; system_metrics lists them all. */
export const isNoise = {
  filesystem: (f: Filesystem) =>
    f.mount === '/etc/pve' ||
    (/^(squashfs|tmpfs|ramfs|devtmpfs|overlay|efivarfs|iso9660|erofs|autofs|nsfs)$/.test(f.type) && f.mount !== '/'),
  disk: (name: string) => /^(loop|ram|zram|sr|fd)\d/.test(name),
  network: (name: string) =>
    /^(lo$|veth|br-[0-9a-f]{12}$|docker|podman\d|lxcbr|lxdbr|virbr|vnet|tap|fwbr|fwpr|fwln|dummy|ifb|cali|cni|flannel|sit|ip6tnl|tunl|gre|erspan)/.test(
      name,
    ),
};

export const offset = (minutes: number): string => {
  const abs = Math.abs(minutes);
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(abs / 60)}:${two(abs % 60)}`;
};
