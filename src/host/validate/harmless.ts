/**
 * A configuration without what would make its checker open other files, line for line: what is in those would come back in its complaints,
 * and whether they are there at all. Pure. The second guard is commands.ts, which passes on complaints about the copy alone.
 */
import type { Kind } from './known.ts';

export function harmless(kind: Kind, text: string): string {
  if (kind === 'sudoers') return byLine(text, (line) => (SUDOERS.test(line) ? '#' : line));
  if (kind === 'sshd') return byLine(text, (line) => (SSHD.test(line) ? '#' : line));
  if (kind === 'unit') return byLine(text, program);
  if (kind === 'named') return named(text);
  return text;
}

/** Whatever comes behind a backslash belongs to the line before. */
function byLine(text: string, each: (line: string) => string): string {
  let dropping = false;
  const lines = text.split('\n').map((line) => {
    const now = dropping ? '#' : each(line);
    dropping = now === '#' && line !== '#' && /\\\r?$/.test(line);
    return now;
  });
  return lines.join('\n');
}

const SUDOERS = /^\s*[#@]\s*include(?:dir)?\b/i;
/** A keyword may be quoted, and an equals sign may follow it. */
const SSHD =
  /^\s*"?(?:include|hostkey|hostcertificate|hostkeyagent|moduli ?file|sshdsessionpath|sshdauthpath|securitykeyprovider)"?(?:[\s=]|$)/i;
/** Whether a program is there is not to be told: one that always is stands in its place. */
const EXEC =
  /^(\s*Exec(?:Condition|StartPre|StartPost|Start|Reload|StopPost|Stop)\s*=\s*[-@:+!|]*)(\/[^\s"'\\]+|[A-Za-z0-9_.+-]+)(?=\s|$)/;
const program = (line: string): string =>
  line.replace(EXEC, (_, before: string, what: string) => before + (what.startsWith('/') ? '/bin/true' : 'true'));

/** Words of named.conf: comments of three kinds, strings, and single characters that end a word. */
const WORDS =
  /\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n]*|#[^\n]*|"(?:[^"\\]|\\[\s\S])*(?:"|$)|[{};]|(?:(?!\/\/|\/\*)[^\s{};"#])+/g;
const FILES = /^(?:include|directory|key-directory|managed-keys-directory|geoip-directory|new-zones-directory)$/i;

function named(text: string): string {
  let out = '';
  let done = 0;
  let last = '';
  for (const m of text.matchAll(WORDS)) {
    const [word] = m;
    if (/^(?:\/\*|\/\/|#)/.test(word)) continue;
    if (FILES.test(last) && !/^[{};]$/.test(word)) {
      // What is always there, and says nothing.
      out += `${text.slice(done, m.index)}${last.toLowerCase() === 'include' ? '"/dev/null"' : '"/"'}${'\n'.repeat(word.split('\n').length - 1)}`;
      done = m.index + word.length;
    }
    last = word;
  }
  return out + text.slice(done);
}
