/** How the owner names units. Decides what may be written; which of them may be changed even so is insight/unit_guard.ts's. */
import * as z from 'zod';

export const UNIT_GLOB_EXPECTS = 'units with their suffix, e.g. nginx.service, with * for any text';
/** A bare `nginx` would fit nothing, and its owner would believe it does. */
export const UnitGlob = z
  .string()
  .max(255)
  .regex(
    /^(?=[A-Za-z0-9*])[A-Za-z0-9:_.\\@*-]*(?:\*|\.(?:service|socket|timer|path|target))$/,
    `expected ${UNIT_GLOB_EXPECTS}`,
  );
