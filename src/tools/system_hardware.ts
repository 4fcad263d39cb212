/**
 * What the machine is made of. Decides which facts make a part, which of their fields are worth their tokens, and how equal ones
 * are told together. What a device is not asked for, because it would identify the machine, is decided in the host layer.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import type { Fact, Inventory } from '../core/hardware.ts';
import type { Reading } from '../core/host.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { SEVERITIES } from '../insight/facts.ts';
import { needsAttention } from '../insight/hardware.ts';
import { figure, gaps, interfaceName, one } from './figures.ts';
import { hardwareText } from './hardware_text.ts';

/** Longer than the longest time-out of a part, shorter than this call's own. */
const WAIT_MS = 8_000;

const FACTS = {
  system: ['board'],
  cpu: ['cpu', 'cpuMore'],
  memory: ['memory'],
  disks: ['disks', 'smart'],
  arrays: ['raid', 'zfs'],
  power: ['ups', 'batteries'],
  gpus: ['gpus'],
  networks: ['networks'],
  guests: ['guests'],
} as const satisfies Record<string, readonly Fact[]>;
const PARTS = Object.keys(FACTS) as (keyof typeof FACTS)[];

const word = once(() => z.string().nullable());
const firmware = once(() => foreign(word(), 'firmware'));
const device = once(() => foreign(word(), 'devices'));
const yes = once(() => z.boolean().nullable());

export const HardwareAnswer = once(() =>
  z.object({
    system: z
      .object({
        ...{
          vendor: firmware(),
          product: firmware(),
          version: firmware(),
          chassis: word(),
          board: firmware(),
          bios: firmware(),
        },
        ...{ biosDate: firmware(), firmware: word() },
      })
      .optional(),
    cpu: z
      .object({
        ...{ model: word(), vendor: word(), socket: firmware(), sockets: figure(), cores: figure(), threads: figure() },
        ...{ maxMhz: figure(), minMhz: figure(), governor: word() },
        caches: z.array(z.object({ level: z.string(), bytes: z.number(), count: z.number() })),
      })
      .optional(),
    memory: z
      .object({
        installedBytes: z.number(),
        slots: figure(),
        maxBytes: figure(),
        errorCorrection: firmware(),
        source: z.string(),
      })
      .optional(),
    modules: z
      .array(
        z.object({
          ...{ count: z.number(), sizeBytes: z.number(), type: firmware(), mtPerSecond: figure(), vendor: firmware() },
          ...{ part: firmware(), slots: foreign(z.string(), 'firmware') },
        }),
      )
      .optional(),
    disks: z
      .array(
        z.object({
          ...{
            name: z.string(),
            model: device(),
            sizeBytes: figure(),
            rotational: yes(),
            transport: word(),
            firmware: device(),
          },
          removable: z.boolean(),
          health: z
            .object({
              ...{
                passed: yes(),
                celsius: figure(),
                poweredOnHours: figure(),
                wearPercent: figure(),
                sparePercent: figure(),
              },
              ...{ reallocated: figure(), pending: figure(), uncorrectable: figure(), mediaErrors: figure() },
            })
            .nullable(),
        }),
      )
      .optional(),
    raid: z
      .array(
        z.object({
          ...{ name: z.string(), level: z.string(), degraded: z.boolean(), state: z.string(), sizeBytes: figure() },
          ...{ members: z.array(z.object({ disk: z.string(), state: z.string() })), mismatches: figure() },
        }),
      )
      .optional(),
    pools: z
      .array(
        z.object({
          name: foreign(z.string(), 'ZFS'),
          ...{ state: word(), sizeBytes: figure(), allocatedBytes: figure(), fragmentedPercent: figure() },
        }),
      )
      .optional(),
    ups: z
      .array(
        z.object({
          ...{
            name: z.string(),
            source: z.string(),
            model: device(),
            status: device(),
            onBattery: yes(),
            batteryLow: yes(),
          },
          ...{ replaceBattery: yes(), chargePercent: figure(), loadPercent: figure(), runtimeSeconds: figure() },
        }),
      )
      .optional()
      .describe('As NUT or apcupsd tell.'),
    batteries: z
      .array(
        z.object({
          ...{ name: z.string(), model: device(), status: word(), chargePercent: figure(), healthPercent: figure() },
          cycles: figure(),
        }),
      )
      .optional(),
    gpus: z
      .array(
        z.object({
          ...{
            address: z.string(),
            model: device(),
            pciId: word(),
            driver: word(),
            driverVersion: word(),
            memoryBytes: figure(),
          },
          ...{ memoryUsedBytes: figure(), busyPercent: figure(), celsius: figure(), watts: figure() },
        }),
      )
      .optional(),
    networks: z
      .array(
        z.object({
          ...{
            name: z.string(),
            model: device(),
            driver: word(),
            state: word(),
            speedMbit: figure(),
            duplex: word(),
            mtu: figure(),
          },
        }),
      )
      .optional(),
    guests: z
      .array(
        z.object({
          ...{
            id: z.number(),
            kind: z.enum(['vm', 'lxc']),
            name: foreign(word(), 'guest configuration'),
            running: yes(),
          },
          ...{ cores: figure(), memoryBytes: figure(), onBoot: z.boolean(), template: z.boolean(), lock: word() },
        }),
      )
      .optional()
      .describe('Of a Proxmox node.'),
    attention: z.array(z.object({ severity: z.enum(SEVERITIES), sentence: z.string() })),
    unknown: z
      .array(Unknown())
      .describe('What was asked for and is not here. A null: the device or its firmware does not say.'),
  }),
);
export type HardwareAnswer = z.output<ReturnType<typeof HardwareAnswer>>;

export const systemHardware = defineRead({
  name: 'system_hardware',
  title: 'Hardware',
  description:
    "Use this to see what the machine is made of and whether its parts are well: model, CPU, memory modules, disks with SMART health, RAID and ZFS, UPS and batteries, GPUs, network adapters, and a Proxmox node's guests. It is the machine's hardware, also inside a container; serial numbers are left out; answers may be ten minutes old. For load and usage use system_overview or system_metrics.",
  toolset: 'system',
  core: false,
  input: () =>
    z.strictObject({
      parts: z.array(z.enum(PARTS)).min(1).max(PARTS.length).optional().describe('All when left out.'),
    }),
  output: HardwareAnswer,
  scopes: { least: 'system:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['guests', 'networks', 'modules', 'disks'] },
  text: hardwareText,

  async handler(i, ctx) {
    const parts = new Set(i.parts ?? PARTS);
    const facts = PARTS.filter((p) => parts.has(p)).flatMap((p): readonly Fact[] => FACTS[p]);
    const found: Partial<Inventory> = await ctx.host.hardware.inventory(facts, { signal: ctx.signal, waitMs: WAIT_MS });
    const gap = gaps();
    const of = <T>(what: string, r: Reading<T> | undefined): T | undefined => (r && gap.of(what, r)) ?? undefined;

    const board = of('system', found.board);
    const cpu = of('processor', found.cpu);
    const more = of("the processor's socket and vendor", found.cpuMore);
    const memory = of('memory modules', found.memory);
    const disks = disksOf(of('disks', found.disks), found.smart, gap);
    const gpus = of('graphics', found.gpus);
    if (gpus?.missing) gap.list.push({ what: 'figures of graphics cards', why: gpus.missing });
    const guests = of('guests', found.guests);
    const unread = guests?.filter((g) => g.memoryBytes === null).length;
    if (unread)
      gap.list.push({ what: `names and sizes of guests (${unread})`, why: 'only root and www-data may read them' });

    const answer: z.input<ReturnType<typeof HardwareAnswer>> = {
      system: board,
      cpu: cpu && {
        ...cpu,
        vendor: more?.vendor ?? null,
        socket: more?.socket ?? null,
        maxMhz: cpu.maxMhz ?? more?.maxMhz ?? null,
      },
      memory: memory && { ...memory, installedBytes: memory.modules.reduce((sum, m) => sum + m.sizeBytes, 0) },
      modules: memory && alike(memory.modules),
      disks,
      raid: of('RAID arrays', found.raid),
      pools: poolsOf(of('ZFS pools', found.zfs), gap),
      ups: of('UPS', found.ups),
      batteries: of('batteries', found.batteries),
      gpus: gpus?.cards,
      networks: of('network adapters', found.networks)?.map((n) => ({ ...n, name: interfaceName(n.name) })),
      guests,
      attention: needsAttention(found),
      unknown: gap.list,
    };
    return answer;
  },
});

type Gaps = ReturnType<typeof gaps>;
type Modules = NonNullable<Inventory['memory']['value']>['modules'];

/** A server has 32 equal ones. */
function alike(modules: Modules) {
  const groups = new Map<string, Modules>();
  for (const m of modules) {
    const key = JSON.stringify({ ...m, slot: null });
    groups.set(key, [...(groups.get(key) ?? []), m]);
  }
  return [...groups.values()].flatMap((all) => {
    const { slot: _, ...first } = all[0] as Modules[number];
    return { count: all.length, ...first, slots: all.flatMap((m) => m.slot ?? []).join('; ') };
  });
}

/** Disks with the same reason stand in one line of it. */
function disksOf(disks: Inventory['disks']['value'] | undefined, smart: Inventory['smart'] | undefined, gap: Gaps) {
  if (!disks) return undefined;
  if (smart?.why !== undefined) gap.list.push({ what: 'health of disks', why: smart.why });
  const reports = new Map(smart?.value?.map((r) => [r.disk, r.report]));
  const silent = new Map<string, string[]>();
  for (const [disk, { why }] of reports) if (why !== undefined) silent.set(why, [...(silent.get(why) ?? []), disk]);
  for (const [why, names] of silent) gap.list.push({ what: `health of ${names.join(', ')}`, why });
  return disks.map((d) => ({ ...d, health: reports.get(d.name)?.value ?? null }));
}

function poolsOf(pools: Inventory['zfs']['value'] | undefined, gap: Gaps) {
  const why = pools?.find((p) => p.size.why !== undefined)?.size.why;
  if (why !== undefined) gap.list.push({ what: 'sizes of ZFS pools', why });
  return pools?.map(({ name, state, size }) => ({
    name,
    state,
    sizeBytes: size.value?.sizeBytes ?? null,
    allocatedBytes: size.value?.allocatedBytes ?? null,
    fragmentedPercent: one(size.value?.fragmentedPercent),
  }));
}
