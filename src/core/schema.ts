/** Shared zod parts. Flat, bounded, described: without bounds a JSON Schema grows by ±2^53 on every integer. */
import * as z from 'zod';
import { CONTAINER_REF, imageParts, STACK_NAME } from './docker_refs.ts';
import { isUnitName } from './unit_refs.ts';

/**
 * A schema that is made when it is first asked for. Making those of all tools costs a start some megabytes, and most are never used:
 * what is listed comes ready-made.
 */
export function once<T>(make: () => T): () => T {
  let made: { is: T } | undefined;
  return () => {
    made ??= { is: make() };
    return made.is;
  };
}

/**
 * A string (or subtree) that others can write: command lines, logs, labels, file contents. The door strips and redacts
 * it, names its path in `_meta` and fences it in the text rendering; the structured result keeps the plain string.
 * `source` says where it comes from, e.g. "process table".
 */
export function foreign<S extends z.ZodType>(schema: S, source: string): S {
  return schema.meta({ ...schema.meta(), foreign: source }) as S;
}

/** Optional on every output: what was cut is kept under the handle, and `result_query` pages, greps and selects it. */
export const More = once(() =>
  z.object({
    handle: z.string().nullable().describe('For result_query; null when the rest could not be kept.'),
    shown: z.number(),
    total: z.number(),
    hint: z.string(),
  }),
);
export type More = z.output<ReturnType<typeof More>>;

/** A figure that is not there: which, and why. */
export const Unknown = once(() => z.object({ what: z.string(), why: z.string() }));

export const Handle = once(() =>
  z
    .string()
    .regex(/^[a-z]_[a-z2-7]{16,40}$/)
    .describe('As an earlier answer gave it.'),
);

/** Seconds to wait before an answer is `running`. */
export const WaitS = once(() =>
  z.number().int().min(0).max(40).optional().describe('Longest wait (else 20); then it goes on, and answers running.'),
);

export const limit = (standard: number, max: number) => z.number().int().min(1).max(max).default(standard);

/** What every change answers. */
export const ChangeAnswer = once(() =>
  z.object({
    state: z.enum(['done', 'dry_run', 'pending', 'running', 'rolled_back', 'failed']),
    summary: z.string(),
    targets: foreign(z.array(z.string()), 'targets').optional(),
    before: foreign(z.record(z.string(), z.unknown()), 'state before').optional(),
    after: foreign(z.record(z.string(), z.unknown()), 'state after').optional(),
    /** Without secrets already, as the tool makes it: the marks in it are ours. */
    diff: foreign(z.string(), 'diff').meta({ foreign: 'diff', kept: true }).optional(),
    receipt: z.string().optional(),
    handle: z.string().optional(),
    next: z.string().optional(),
  }),
);
export type ChangeAnswer = z.output<ReturnType<typeof ChangeAnswer>>;

/** The engine's own grammar: nothing else may come near a request's path. */
export const ContainerRef = once(() => z.string().regex(CONTAINER_REF).describe('Name or id of a container.'));
export const ImageRef = once(() =>
  z
    .string()
    .min(1)
    .max(255)
    .refine(
      (text) => imageParts(text) !== null,
      'expected an image such as nginx:1.27, with a registry or digest if wanted',
    )
    .describe('Image, e.g. nginx:1.27 or registry.example:5000/app@sha256:….'),
);
export const StackName = once(() => z.string().regex(STACK_NAME).describe('Compose project.'));
export const UnitName = once(() =>
  z
    .string()
    .max(255)
    .refine(isUnitName, 'expected a unit with its suffix, such as nginx.service')
    .describe('systemd unit with its suffix, e.g. nginx.service.'),
);
