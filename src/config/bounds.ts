/** Numbers and texts with bounds, as several groups of settings need them. */
import * as z from 'zod';

export const KiB = 1024;
export const MiB = 1024 * KiB;

export const int = (least: number, most: number, standard: number) =>
  z.number().int().min(least).max(most).default(standard);

/** A path or an address has no control characters: they would forge lines in logs and answers. */
export const plain = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]*$/u);
