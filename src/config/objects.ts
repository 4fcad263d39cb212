/** What is wrong within a list of maps, in the words of the other settings: the part, what stands there, what would be right. Pure. */
import type * as z from 'zod';
import { nearest } from '../core/nearest.ts';

export interface Fault {
  /** From the setting down to the part. */
  within: PropertyKey[];
  /** Behind the part's name. */
  text: string;
  near: string[];
}

/** `shape`: the keys that a map of the list may have. `show` puts a value into an error. */
export function faultsOf(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  shape: readonly string[],
  show: (value: unknown) => string,
): Fault[] {
  return issues.flatMap((issue): Fault[] => {
    const got = issue.path.reduce<unknown>((v, k) => (v as Record<PropertyKey, unknown> | null)?.[k], value);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const near = nearest(key, shape);
        return {
          within: [...issue.path, key],
          text: `is not a setting${near.length ? ` (nearest: ${near[0]})` : ''}; expected ${shape.join(', ')}.`,
          near,
        };
      });
    const choices = issue.code === 'invalid_value' ? issue.values.map(String) : [];
    const near = typeof got === 'string' && !choices.includes(got) ? nearest(got, choices) : [];
    const expects = choices.length ? `expected one of ${choices.join(', ')}` : lower(issue.message);
    return [
      {
        within: [...issue.path],
        text: `is ${show(got)}; ${expects}${near.length ? ` (nearest: ${near[0]})` : ''}.`,
        near,
      },
    ];
  });
}

const lower = (text: string) => `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
