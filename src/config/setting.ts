/** How one setting is described in the list of them (schema.ts): what help, docs and the example file are made from. */
import type * as z from 'zod';

interface Meta {
  /** Never printed, never taken from the environment or a flag (both are visible to others): the file, or `<name>_file`. */
  secret?: true;
  /** Of a number, for people. */
  unit?: string;
  /** What a correct value is, where type and bounds do not say it. */
  expects?: string;
  /** A path: `~/` is the home folder; a relative one counts from the config file's folder, or from where the command was run. */
  folder?: true;
  /** What the default is, where it depends on the machine. */
  defaultText?: string;
  /** A flag may only choose among what the file or the environment allows. */
  flagNarrows?: true;
  /** Lines of YAML that show how a list of maps is written. */
  example?: string;
}

export function set<S extends z.ZodType>(schema: S, description: string, meta: Meta = {}): S {
  return schema.describe(description).meta({ description, ...meta }) as S;
}
