/**
 * What programs and systemd say in the journal when a service does not come up, told apart by their own words. Pure. A line that fits
 * nothing speaks for nothing.
 */
import { troubleIn } from './container_said.ts';

export type UnitTrouble = NonNullable<ReturnType<typeof troubleIn>> | 'config_error' | 'file_missing';

/** Longer ones are cut before they are searched: expressions over more would cost time for nothing. */
const LONGEST = 2_000;

/** A place in a file, or the words of parsers: nginx, apache, sshd, postgres, haproxy, bind, python, yaml, toml, json. */
const CONFIG =
  /syntax error|parse error|parsing error|bad configuration|configuration (?:file )?(?:test )?(?:failed|is invalid|error)|invalid (?:configuration|config|directive|option|setting|argument to directive)|unknown (?:directive|option|setting|key|keyword|configuration|config)|unrecognized (?:option|configuration|directive|setting)|unexpected (?:token|end of|"[^"]{1,80}"|'[^']{1,80}'|character)|Invalid command '|is not terminated by|(?:could not|cannot|failed to|unable to) (?:parse|load|read) (?:the )?(?:config|configuration|settings)|\[emerg\]|yaml:|YAMLError|TOMLDecodeError|JSONDecodeError|SyntaxError|\[ALERT\].{0,60}config/i;
const MISSING =
  /no such file or directory|\bENOENT\b|FileNotFoundError|ModuleNotFoundError|cannot find module|error while loading shared libraries|(?:file|directory) not found|does not exist/i;

/** What is missing or forbidden is named in the same line as the config that names it: the more telling word comes first. */
export function unitTroubleIn(line: string): UnitTrouble | null {
  const text = line.slice(0, LONGEST);
  const trouble = troubleIn(text);
  if (trouble !== null) return trouble;
  if (MISSING.test(text)) return 'file_missing';
  return CONFIG.test(text) ? 'config_error' : null;
}

/** In `bind() to 0.0.0.0:8080 failed`, `listen EADDRINUSE: address already in use :::3000`, `port 5432`. */
export function portNamed(line: string): number | null {
  const text = line.slice(0, LONGEST);
  const found =
    /(?:\bport[ :=]+|[\]\d*:]:)(\d{1,5})(?!\d)/i.exec(text) ??
    /\b(?:bind|listen|address)\b.{0,120}?[:\s](\d{2,5})(?![\d.])/i.exec(text);
  const port = Number(found?.[1]);
  return port >= 1 && port <= 65_535 ? port : null;
}

/** systemd's own words on why it did not even begin. */
export const skippedIn = (line: string): boolean =>
  /skipped because of an unmet|skipped, unmet (?:condition|assert)|Condition check resulted in/i.test(
    line.slice(0, LONGEST),
  );
export const deniedIn = (line: string): boolean =>
  /Failed (?:at step|to)[\s\S]{0,200}Permission denied/i.test(line.slice(0, LONGEST));

/** The kernel on whom it killed for want of memory: its cgroup and its pid. */
export function oomVictim(line: string, cgroup: { unit: string; pid: number | null }): boolean {
  const text = line.slice(0, LONGEST);
  if (!/oom-kill:|Out of memory|Memory cgroup out of memory|oom_reaper/i.test(text)) return false;
  if (text.includes(`/${cgroup.unit}`)) return true;
  return cgroup.pid !== null && new RegExp(`(?:process |pid[=: ]\\s*)${cgroup.pid}\\b`, 'i').test(text);
}
