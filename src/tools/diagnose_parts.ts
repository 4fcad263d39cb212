/**
 * The seam of diagnose: what is asked, what every way to find out gives back, and what a way says of itself. A way is one problem with the
 * kinds of targets that it knows; each lives in a file of its own and has a line in the table of diagnose.ts. Decides the answer's shape:
 * flat, with a section for each problem that has figures of its own.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import type { Scope } from '../core/scopes.ts';
import type { Source, SourceKind } from '../core/source.ts';
import type { Target } from '../core/tool.ts';
import { CERTAINTY } from '../insight/diagnose.ts';
import { figure, Psi } from './figures.ts';

export const PROBLEMS = ['down', 'disk_full', 'slow', 'unreachable'] as const;
export type Problem = (typeof PROBLEMS)[number];

const path = once(() => foreign(z.string(), 'names of files'));

export const DiskSection = once(() =>
  z.object({
    mount: foreign(z.string(), 'mount table'),
    type: z.string(),
    totalBytes: z.number(),
    usedBytes: z.number(),
    availableBytes: z.number(),
    reservedBytes: z.number().describe('Free, but for root alone.'),
    usedPercent: figure(),
    inodesUsedPercent: figure(),
    seenBytes: figure().describe('Of the folders that were walked.'),
    unseenBytes: figure().describe('Used, but without a name that was seen.'),
    openDeletedBytes: figure(),
    dockerBytes: figure(),
    journalBytes: figure(),
    folders: z
      .array(z.object({ path: path(), bytes: z.number(), entries: z.number(), depth: z.number() }))
      .describe('A tree of the heaviest: bytes of each include what is below.'),
    files: z.array(z.object({ path: path(), bytes: z.number() })),
    grew: z.array(z.object({ path: path(), bytes: z.number() })),
    grewSince: z.string().nullable(),
    stopped: z.enum(['time', 'cancelled']).nullable().describe('Null: all of it was walked.'),
  }),
);
export type DiskSection = z.output<ReturnType<typeof DiskSection>>;

export const SlowSection = once(() =>
  z.object({
    windowMs: z.number(),
    cpuUsedPercent: figure(),
    cpus: z.number(),
    running: figure().describe('Ready to run or running.'),
    iowaitPercent: figure(),
    stealPercent: figure(),
    pressure: z.object({ cpu: Psi().nullable(), memory: Psi().nullable(), io: Psi().nullable() }),
    memoryAvailableBytes: figure(),
    swapBytesPerSecond: figure(),
    disks: z.array(
      z.object({
        name: z.string(),
        busyPercent: figure(),
        requestsPerSecond: figure(),
        latencyMs: figure(),
        underWay: z.number(),
      }),
    ),
    groups: z
      .array(
        z.object({
          name: foreign(z.string(), 'control groups'),
          cpuPercent: figure(),
          throttledPercent: figure(),
          limitCpus: figure(),
          memoryBytes: figure(),
          memoryLimitBytes: figure(),
        }),
      )
      .describe('Units and containers that use or are held back most; cpuPercent: of one core.'),
    processes: z.array(
      z.object({
        pid: z.number(),
        count: z.number().describe('Of that name; the figures are of all, pid is the heaviest.'),
        name: foreign(z.string(), 'process table'),
        home: foreign(z.string(), 'control groups').nullable().describe('Its unit or container.'),
        state: z.string(),
        cpuPercent: figure(),
        ioBytesPerSecond: figure(),
        rssBytes: z.number(),
      }),
    ),
  }),
);
export type SlowSection = z.output<ReturnType<typeof SlowSection>>;

export const DiagnoseAnswer = once(() =>
  z.object({
    problem: z.enum(PROBLEMS),
    target: z.string(),
    verdict: z.string(),
    /** Of `down`. */
    down: z.boolean().nullable().optional().describe('Null: it cannot be asked.'),
    state: z.string().nullable().optional().describe('As its engine or manager calls it.'),
    causes: z
      .array(
        z.object({
          id: z.string().describe('Of docs/diagnose.md.'),
          certainty: z.enum(CERTAINTY),
          sentence: z.string(),
          // Cleaned where it was gathered, so the marks in it are ours.
          evidence: foreign(z.array(z.string()).meta({ kept: true }), 'names and words of this host'),
          next: z.string(),
        }),
      )
      .describe('Surest first.'),
    /** Of `disk_full`. */
    disk: DiskSection().optional(),
    slow: SlowSection().optional(),
    checked: z.array(z.string()),
    unknown: z.array(Unknown()),
  }),
);
export type DiagnoseAnswer = z.output<ReturnType<typeof DiagnoseAnswer>>;

export interface Asked {
  /** Null: none was named, and the problem has one by itself. */
  source: Source | null;
  sinceMs: number | undefined;
  logs: boolean;
}

/** All of the answer but the problem. `evidence` is clean of secrets when it comes here. */
export type Found = Omit<z.input<ReturnType<typeof DiagnoseAnswer>>, 'problem'>;

export interface Way {
  problem: Problem;
  /** Kinds of targets that it takes; one that may be left out has `alone`. */
  kinds: readonly SourceKind[];
  alone?: true;
  /** For people who named something else: "container:NAME". */
  form: string;
  scopes(asked: { logs: boolean }): Scope[];
  /** What the records of the call name. */
  targets(source: Source | null): Target[];
  /** Its own bound in time: the tool's is that of the slowest way. */
  timeoutMs: number;
  find(asked: Asked, ctx: ToolContext): Promise<Found>;
}

/** What a reader is told first: how it stands, and the surest cause. */
export const verdictOf = (how: string, causes: Found['causes']): string =>
  causes[0] ? `${how}: ${causes[0].sentence}` : `${how}.`;
